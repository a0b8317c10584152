// Package api answers the management API in the shapes Sentry's clients know, under /api/0/, and
// our own under /api/v1/.
//
//	request ──▶ authenticate (token, or the login the web service found) ──▶ Principal
//	        ──▶ scopes of the route ──▶ {org}, {project}, {issue} looked up within the
//	            principal's organization, else 404 ──▶ handler ──▶ JSON
//
// Routes are one table; api/openapi.yaml describes each of them, and tests hold the two and every
// answer to each other.
package api
