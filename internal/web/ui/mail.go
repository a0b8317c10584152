package ui

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// mail sends a text in the background, so that neither the reader waits for the relay nor can tell
// by the time of the answer whether there is such an address. Failures are logged.
func (u *UI) mail(ctx context.Context, to, subject, text string) {
	if u.Mail == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	u.mails.Go(func() {
		if err := u.Mail(ctx, to, subject, text); err != nil {
			slog.WarnContext(ctx, "a mail was not sent", "err", err, "kind", fault.KindOf(err).String())
		}
	})
}

// MailInvite mails the link of an invite.
func (u *UI) MailInvite(ctx context.Context, to, organization, inviter, link string) {
	u.mail(ctx, to, "Join "+organization+" on Tocsin", fmt.Sprintf(
		"%s invites you to %s on Tocsin, where its errors are tracked.\n\nAccept within seven days:\n%s\n", inviter, organization, link))
}

// Wait returns when every mail that was begun has been sent or given up.
func (u *UI) Wait() { u.mails.Wait() }
