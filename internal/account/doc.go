// Package account owns who may do what: users, membership in organizations, the scopes that a
// role or a token grants, passwords, and the guard against guessing them.
//
//	token, session ──▶ Principal{User, Organization, Scopes} ──Require(scope)──▶ the handler
//
// A Principal is the only source of an organization id for queries, so that what it does not own
// cannot be named.
package account
