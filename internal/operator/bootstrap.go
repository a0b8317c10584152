package operator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/disk"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// Credentials is what the first start made: the content of bootstrap.json.
type Credentials struct {
	URL          string `json:"url"`
	DSN          string `json:"dsn"`
	Organization string `json:"organization"`
	Project      string `json:"project"`
	ProjectID    string `json:"project_id"`
	Email        string `json:"email"`
	Password     string `json:"password"`
	AuthToken    string `json:"auth_token"`
}

// firstStart makes the first organization and writes bootstrap.json, unless the database has one
// already; then it returns nil and leaves everything alone.
func firstStart(ctx context.Context, databaseURL, data, url string) (*Credentials, error) {
	st, err := postgres.Open(ctx, databaseURL, postgres.Options{})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	c, err := bootstrap(ctx, st, url, url, "owner@localhost")
	if err != nil || c == nil {
		return nil, err
	}
	return c, writeCredentials(filepath.Join(data, "bootstrap.json"), c)
}

// bootstrap returns nil without an error when the database has an organization.
func bootstrap(ctx context.Context, st *postgres.Store, url, ingestURL, email string) (*Credentials, error) {
	made, err := st.Bootstrap(ctx, postgres.BootstrapInput{
		Organization: "default", Project: "default", Email: email, Password: randomPassword(),
	})
	if errors.Is(err, postgres.ErrBootstrapped) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Credentials{
		URL: url, DSN: dsn(ingestURL, made.PublicKey, made.ProjectID),
		Organization: made.Organization, Project: made.Project, ProjectID: strconv.FormatInt(made.ProjectID, 10),
		Email: made.Email, Password: made.Password, AuthToken: made.AuthToken,
	}, nil
}

// dsn puts a client key into the address SDKs report to.
func dsn(url, publicKey string, project int64) string {
	scheme, rest, _ := strings.Cut(url, "://")
	return fmt.Sprintf("%s://%s@%s/%d", scheme, publicKey, rest, project)
}

// randomPassword is 120 random bits in letters that are easy to tell apart.
func randomPassword() string { return strings.ToLower(rand.Text()[:24]) }

// writeCredentials writes the file so that it is whole or absent, readable by its owner alone.
func writeCredentials(name string, c *Credentials) error {
	body, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return disk.Replace(name, append(body, '\n'))
}

func readCredentials(data string) (*Credentials, error) {
	body, err := os.ReadFile(filepath.Join(data, "bootstrap.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c Credentials
	return &c, json.Unmarshal(body, &c)
}

// Bootstrap is tocsin bootstrap, for installations of separate programs.
type Bootstrap struct {
	DatabaseURL string `name:"database-url" required:"" help:"Postgres to use." env:"TOCSIN_DATABASE_URL"`
	URL         string `name:"url" required:"" help:"Address of the web service." env:"TOCSIN_URL"`
	IngestURL   string `name:"ingest-url" help:"Address SDKs report to, when it is not --url." env:"TOCSIN_INGEST_URL"`
	Email       string `help:"Address of the owner account." default:"owner@localhost"`
	Out         string `help:"File to write the credentials to; standard output when empty." type:"path"`
}

// Run implements the command.
func (b *Bootstrap) Run(ctx context.Context, out io.Writer) error {
	st, err := postgres.Open(ctx, b.DatabaseURL, postgres.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	if b.IngestURL == "" {
		b.IngestURL = b.URL
	}
	c, err := bootstrap(ctx, st, strings.TrimSuffix(b.URL, "/"), strings.TrimSuffix(b.IngestURL, "/"), b.Email)
	switch {
	case err != nil:
		return err
	case c == nil:
		return errors.New("this database has an organization already; nothing was changed")
	case b.Out == "":
		return writeJSON(out, c)
	}
	return writeCredentials(b.Out, c)
}

// Migrate is tocsin migrate.
type Migrate struct {
	DatabaseURL string `name:"database-url" required:"" help:"Postgres to bring up to date." env:"TOCSIN_DATABASE_URL"`
	NATSURL     string `name:"nats-url" help:"NATS to make streams and buckets in, with the admin user of bindings nats-config; left alone when empty." env:"TOCSIN_NATS_URL"`
	NATSReplicas
	// RolePasswords is by service.
	RolePasswords map[string]seal.Secret `name:"role-passwords" mapsep:";" placeholder:"SERVICE=PASSWORD;…" help:"Make a database role for each service named, with its password, that may do what the service's statements need and nothing else: DATABASE_processor, DATABASE_notifier and DATABASE_web. Needs a role that owns the database and may make others." env:"TOCSIN_ROLE_PASSWORDS"`
}

// Run implements the command.
func (m *Migrate) Run(ctx context.Context) error {
	if err := postgres.Migrate(ctx, m.DatabaseURL); err != nil {
		return err
	}
	slog.InfoContext(ctx, "schema is up to date")
	if len(m.RolePasswords) > 0 {
		passwords := map[string]string{}
		for service, password := range m.RolePasswords {
			passwords[service] = password.Reveal()
		}
		if err := postgres.EnsureRoles(ctx, m.DatabaseURL, passwords); err != nil {
			return err
		}
		slog.InfoContext(ctx, "roles of services are up to date")
	}
	if m.NATSURL == "" {
		return nil
	}
	return ensureExternal(ctx, m.NATSURL, m.Replicas)
}

// NATSReplicas is how many servers of a NATS of one's own keep each message.
type NATSReplicas struct {
	Replicas int `name:"nats-replicas" help:"How many servers of the NATS cluster keep each message: 1, or 3 so that one may be lost. Existing streams are changed to it." default:"1" enum:"1,3,5" env:"TOCSIN_NATS_REPLICAS"`
}

// ensureExternal makes the streams, consumers and buckets of the bindings in a NATS of one's own.
func ensureExternal(ctx context.Context, url string, replicas int) error {
	admin, err := bus.ConnectAdmin(url)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := bus.Ensure(ctx, admin, bindings.Graph(), bus.Limits{Replicas: replicas}); err != nil {
		return err
	}
	slog.InfoContext(ctx, "streams and buckets are up to date")
	return nil
}
