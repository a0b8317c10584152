package operator

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// BindingsCompose prints the compose file of an installation of separate programs.
type BindingsCompose struct{}

// Run implements the command.
func (BindingsCompose) Run(out io.Writer) error {
	_, err := io.WriteString(out, compose(bindings.Graph()))
	return err
}

// BindingsValues prints the values of the chart.
type BindingsValues struct{}

// Run implements the command.
func (BindingsValues) Run(out io.Writer) error {
	_, err := io.WriteString(out, values(bindings.Graph()))
	return err
}

const composeHead = `# Written by "tocsin bindings compose" from deploy/bindings.yaml; deploy/docs/operate.md says how to
# use it. Needs nats.conf beside it, made by "tocsin bindings nats-config --listen 0.0.0.0:4222
# --store-dir /data", and in .env POSTGRES_PASSWORD, TOCSIN_URL, TOCSIN_SECRET_KEY, the password of
# each user of nats.conf as NATS_ADMIN, NATS_INGEST, NATS_PROCESSOR, NATS_NOTIFIER, NATS_WEB, and one for
# the database role of each service as POSTGRES_PROCESSOR, POSTGRES_NOTIFIER, POSTGRES_WEB (letters and
# digits): each may do what its statements need and nothing else.

x-service: &service
  image: ${TOCSIN_IMAGE:-tocsin:latest}
  build: {context: .., dockerfile: deploy/Dockerfile}
  restart: unless-stopped
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  depends_on:
    migrate: {condition: service_completed_successfully}

services:
  postgres:
    image: postgres:17
    restart: unless-stopped
    environment: {POSTGRES_USER: tocsin, POSTGRES_DB: tocsin, POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:?}"}
    volumes: ["postgres:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -U, tocsin], interval: 2s, retries: 30}
  nats:
    image: nats:2.15
    restart: unless-stopped
    command: [-c, /etc/nats/nats.conf]
    volumes: ["nats:/data", "./nats.conf:/etc/nats/nats.conf:ro"]
  migrate:
    image: ${TOCSIN_IMAGE:-tocsin:latest}
    build: {context: .., dockerfile: deploy/Dockerfile}
    restart: on-failure
    entrypoint: [/tocsin, migrate]
    environment:
      TOCSIN_DATABASE_URL: postgres://tocsin:${POSTGRES_PASSWORD:?}@postgres/tocsin?sslmode=disable
      TOCSIN_ROLE_PASSWORDS: processor=${POSTGRES_PROCESSOR:?};notifier=${POSTGRES_NOTIFIER:?};web=${POSTGRES_WEB:?}
      TOCSIN_NATS_URL: nats://admin:${NATS_ADMIN:?}@nats:4222
    depends_on:
      postgres: {condition: service_healthy}
      nats: {condition: service_started}
`

// public are the services that others than their neighbours reach.
var public = map[string]string{"ingest": "9001:9000", "web": "9000:9000"}

func compose(g *bus.Graph) string {
	var b strings.Builder
	b.WriteString(composeHead)
	for _, name := range services(g) {
		s := g.Services[name]
		fmt.Fprintf(&b, "  %s: # %s\n    <<: *service\n    entrypoint: [/%s, --listen, \"0.0.0.0:9000\", --data, /data]\n    environment:\n", name, s.About, name)
		fmt.Fprintf(&b, "      TOCSIN_NATS_URL: nats://%s:${NATS_%s:?}@nats:4222\n      TOCSIN_URL: ${TOCSIN_URL:?}\n", name, strings.ToUpper(name))
		if name != "ingest" { // it never asks a database
			fmt.Fprintf(&b, "      TOCSIN_DATABASE_URL: postgres://%s:${POSTGRES_%s:?}@postgres/tocsin?sslmode=disable\n      TOCSIN_SECRET_KEY: ${TOCSIN_SECRET_KEY:?}\n",
				postgres.RoleName("tocsin", name), strings.ToUpper(name))
		}
		fmt.Fprintf(&b, "      GOMEMLIMIT: %q\n    volumes: [\"data:/data\"]\n", limitOf(s.Memory))
		if ports, ok := public[name]; ok {
			fmt.Fprintf(&b, "    ports: [%q]\n", ports)
		}
		fmt.Fprintf(&b, "    deploy:\n      replicas: %d\n      resources: {limits: {memory: %s, cpus: %q}}\n", s.Replicas, bytesOf(s.Memory), cores(s.CPU))
	}
	b.WriteString("\nvolumes: {postgres: {}, nats: {}, data: {}}\n")
	return b.String()
}

func values(g *bus.Graph) string {
	var b strings.Builder
	b.WriteString(`# Written by "tocsin bindings values" from deploy/bindings.yaml.
image: tocsin:latest
url: http://tocsin.example.com
# A secret with the keys SECRET_KEY; DATABASE_URL of the database's owner, for migrations; ROLE_PASSWORDS
# (processor=…;notifier=…;web=…), the passwords of the roles that migrations make for services, and
# DATABASE_URL_PROCESSOR, …_NOTIFIER, …_WEB with them (postgres://DATABASE_processor:…@host/DATABASE);
# NATS_URL_ADMIN, NATS_URL_INGEST, … for each user of the broker.
secret: tocsin
storage: 10Gi # of ingest's spool, and of the files that come with events
services:
`)
	for _, name := range services(g) {
		s := g.Services[name]
		fmt.Fprintf(&b, "  %s:\n    replicas: %d\n    memory: %s\n    cpu: %q\n    memoryLimit: %q\n", name, s.Replicas, s.Memory, s.CPU, limitOf(s.Memory))
	}
	return b.String()
}

func services(g *bus.Graph) []string {
	names := g.Identities()
	return names[:len(names)-1] // the administrator is no service
}

// limitOf is nine tenths of a quantity such as 256Mi, for the collector to stay below it.
func limitOf(memory string) string {
	n, err := strconv.Atoi(strings.TrimSuffix(memory, "Mi"))
	if err != nil {
		return memory + "B"
	}
	return strconv.Itoa(n*9/10) + "MiB"
}

// bytesOf is a quantity as compose writes it.
func bytesOf(memory string) string { return strings.TrimSuffix(memory, "i") }

// cores is a quantity such as 250m as a number of processors.
func cores(cpu string) string {
	if m, ok := strings.CutSuffix(cpu, "m"); ok {
		if n, err := strconv.Atoi(m); err == nil {
			return strconv.FormatFloat(float64(n)/1000, 'g', -1, 64)
		}
	}
	return cpu
}
