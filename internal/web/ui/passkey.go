package ui

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
)

// keyHolder is a user as the WebAuthn library sees one.
type keyHolder struct {
	user account.User
	keys []postgres.Passkey
}

func (h keyHolder) WebAuthnID() []byte          { return []byte(idText(h.user.ID)) }
func (h keyHolder) WebAuthnName() string        { return h.user.Email }
func (h keyHolder) WebAuthnDisplayName() string { return h.user.DisplayName() }

func (h keyHolder) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, 0, len(h.keys))
	for _, k := range h.keys {
		var c webauthn.Credential
		if json.Unmarshal(k.Credential, &c) == nil {
			list = append(list, c)
		}
	}
	return list
}

func keyName(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func keyID(name string) ([]byte, error) {
	id, err := base64.RawURLEncoding.DecodeString(name)
	if err != nil || len(id) > 1023 {
		return nil, fault.New(fault.Unknown, "There is no such passkey any more.")
	}
	return id, nil
}

// relying is this installation as authenticators know it: by the host of its address.
func (u *UI) relying() (*webauthn.WebAuthn, error) {
	base, err := url.Parse(u.BaseURL)
	if err != nil || base.Hostname() == "" {
		return nil, fault.Wrap(err, fault.Unavailable, "Passkeys need an installation with a host name (--url).")
	}
	w, err := webauthn.New(&webauthn.Config{RPID: base.Hostname(), RPDisplayName: "Tocsin", RPOrigins: []string{base.Scheme + "://" + base.Host}})
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "Passkeys need an installation with a host name (--url).")
	}
	return w, nil
}

// ceremony answers a script: JSON, and failures as {"detail": text}.
func (v *visit) ceremony(h func() (any, error)) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	answer, err := h()
	if err == nil {
		return httpx.JSON(v.w, http.StatusOK, answer)
	}
	httpx.Log(v.r.Context(), v.r, err)
	v.status = fault.KindOf(err).Status()
	return httpx.JSON(v.w, v.status, map[string]string{"detail": fault.Public(err)})
}

// keep stores the state of a ceremony between its two calls.
func (u *UI) keep(v *visit, s *webauthn.SessionData) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "keep the state of a passkey")
	}
	u.logins.Put(v.r.Context(), keyCeremony, string(text))
	return nil
}

func (u *UI) kept(v *visit) (s webauthn.SessionData, err error) {
	text := u.logins.PopString(v.r.Context(), keyCeremony) // once only
	if text == "" || json.Unmarshal([]byte(text), &s) != nil {
		return s, fault.New(fault.Invalid, "This took too long. Try again.")
	}
	return s, nil
}

// beginPasskey answers with what the browser is to make a key for.
func (u *UI) beginPasskey(v *visit) error {
	return v.ceremony(func() (any, error) {
		if u.restricted(v) {
			return nil, fault.New(fault.Denied, "Sign in with the password of this account to add a passkey.")
		}
		w, err := u.relying()
		if err != nil {
			return nil, err
		}
		keys, err := u.Store.Passkeys(v.r.Context(), v.principal.UserID())
		if err != nil {
			return nil, err
		}
		holder := keyHolder{*v.principal.User, keys}
		options, state, err := w.BeginRegistration(holder, webauthn.WithExclusions(webauthn.Credentials(holder.WebAuthnCredentials()).CredentialDescriptors()),
			webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired))
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "begin a passkey")
		}
		v.note.Event = "-"
		return options.Response, u.keep(v, state)
	})
}

// finishPasskey stores the public key that the browser made.
func (u *UI) finishPasskey(v *visit) error {
	return v.ceremony(func() (any, error) {
		if u.restricted(v) {
			return nil, fault.New(fault.Denied, "Sign in with the password of this account to add a passkey.")
		}
		w, err := u.relying()
		if err != nil {
			return nil, err
		}
		state, err := u.kept(v)
		if err != nil {
			return nil, err
		}
		ctx := v.r.Context()
		c, err := w.FinishRegistration(keyHolder{user: *v.principal.User}, state, v.r)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "The browser's answer was not accepted.")
		}
		text, err := json.Marshal(c)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "store a passkey")
		}
		name := strings.TrimSpace(v.r.URL.Query().Get("name"))
		if name == "" {
			name = "Passkey of " + v.base.Now.UTC().Format("2 January 2006")
		}
		if err := u.Store.AddPasskey(ctx, postgres.Passkey{ID: c.ID, User: v.principal.UserID(), Name: name, Credential: text}); err != nil {
			return nil, err
		}
		u.people.forget(v.principal.UserID())
		u.recordFor(v, *v.principal.User, audit.Note{Event: "account.factor.passkey", Target: v.principal.User.Email, Text: name})
		v.note.Event = "-"
		return map[string]string{"name": name}, nil
	})
}

// beginPasskeyLogin answers with a challenge for any passkey of this installation.
func (u *UI) beginPasskeyLogin(v *visit) error {
	return v.ceremony(func() (any, error) {
		w, err := u.relying()
		if err != nil {
			return nil, err
		}
		options, state, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "begin a sign-in")
		}
		return options.Response, u.keep(v, state)
	})
}

// finishPasskeyLogin signs in whose passkey answered. A passkey that asked for the user's presence
// and a secret of theirs is two factors by itself.
func (u *UI) finishPasskeyLogin(v *visit) error {
	return v.ceremony(func() (any, error) {
		w, err := u.relying()
		if err != nil {
			return nil, err
		}
		state, err := u.kept(v)
		if err != nil {
			return nil, err
		}
		ctx := v.r.Context()
		var holder keyHolder
		find := func(_, handle []byte) (webauthn.User, error) {
			id, err := strconv.ParseInt(string(handle), 10, 64)
			if err != nil {
				return nil, fault.New(fault.Unauthenticated, "Nobody has this passkey.")
			}
			if holder.user, err = u.Store.User(ctx, id); err != nil {
				return nil, err
			}
			holder.keys, err = u.Store.Passkeys(ctx, id)
			return holder, err
		}
		_, c, err := w.FinishPasskeyLogin(find, state, v.r)
		if err != nil || !holder.user.Active {
			return nil, fault.Wrap(err, fault.Unauthenticated, "This passkey does not open any account here.")
		}
		if c.Authenticator.CloneWarning {
			return nil, fault.New(fault.Denied, "This passkey seems to have been copied. Remove it and register a new one.")
		}
		text, err := json.Marshal(c)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "store a passkey")
		}
		if err := u.Store.UsePasskey(ctx, postgres.Passkey{ID: c.ID, User: holder.user.ID, Credential: text}); err != nil {
			return nil, err
		}
		return map[string]bool{"ok": true}, u.enter(v, holder.user, account.LoginPasskey, 0)
	})
}
