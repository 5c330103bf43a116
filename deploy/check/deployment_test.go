package check

import (
	"path/filepath"
	"strings"
	"testing"
)

func here(t *testing.T) tree {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return tree{root: root, overrides: map[string]string{}}
}

func violations(t *testing.T, tree tree) (wrong []string) {
	t.Helper()
	d, err := load(t.Context(), tree)
	if err != nil {
		return []string{err.Error()}
	}
	for _, r := range rules {
		wrong = append(wrong, r(d)...)
	}
	return wrong
}

func TestTheDeploymentFitsTheTree(t *testing.T) {
	for _, wrong := range violations(t, here(t)) {
		t.Error(wrong)
	}
}

const compose, replicas, dockerfile = "deploy/compose.yml", "deploy/replicas.yml", "deploy/Dockerfile"

// plants are faults: a text in a file that is replaced wherever it stands, and what must be said of it.
var plants = []struct{ file, old, new, want string }{
	{compose, "condition: service_started", "condition: service_begun", "depends_on"},
	{compose, "networks: [mesh]", "networks: [nowhere]", "undefined network nowhere"},
	{compose, "\n  gateway:\n", "\n  gatewy:\n", "services are"},
	{compose, "    user: mysql\n", "", "mysql runs as root"},
	{compose, "read_only: true", "read_only: false", "has a root file system to write to"},
	{compose, "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "keeps capabilities"},
	{compose, `security_opt: ["no-new-privileges:true"]`, "privileged: true", "may gain privileges"},
	{compose, "init: true", "init: false", "has no init"},
	{compose, "restart: unless-stopped", `restart: "no"`, "is not started again"},
	{compose, "options: {max-size: 10m, max-file: \"5\"}", "options: {max-file: \"5\"}", "writes logs without bound"},
	{compose, "networks: [mesh]", "network_mode: host", "is on the host's or no named network"},
	{compose, "mysqladmin, ping, --host=127.0.0.1, --user=orders, --silent]", "mysqladmin]\n      disable: true",
		"mysql has no health check"},
	{compose, "mysql: {condition: service_healthy}", "mysql: {condition: service_started}", "does not wait until mysql"},
	{compose, "orders: {condition: service_healthy}", "orders: {condition: service_started}",
		"gateway does not wait until orders"},
	{compose, "stop_grace_period: 15s", "stop_grace_period: 12s", "is killed before its grace"},
	{compose, "environment: {SAGAMESH_DB_PASSWORD_FILE: /run/secrets/orders}", "environment: {SAGAMESH_DB_PASSWORD: x}",
		"SAGAMESH_DB_PASSWORD is no file"},
	{compose, "    secrets: [orders]\n", "    secrets: [customers]\n", "is no file of a secret that it may read"},
	{compose, "    secrets: [orders]\n", "    secrets: [orders, customers]\n", "orders may read others' passwords"},
	{compose, "--sync-binlog=1", "--sync-binlog=1\n      - --init-connect=password", "has a password in its command"},
	{compose, "{file: ./secrets/orders}", "{file: ./orders}", "not in deploy/secrets"},
	{compose, "127.0.0.1:3002:3002", "3002:3002", "gateway publishes"},
	{compose, "      - 127.0.0.1:3003:3003\n", "", "documented are"},
	{compose, "127.0.0.1:9051:9051", "127.0.0.1:9051:9052", "publishes 127.0.0.1:9051 as 9052"},
	{compose, "--seed-demo=", "--seed_data=", "customers has no flag --seed_data"},
	{compose, "--metrics=0.0.0.0:9052", "metrics", "orders takes no arguments"},
	{compose, "--customers=customers:50053", "--customers=customers:50054", "nobody listens there"},
	{compose, "--orders=orders:50052", "--orders=order:50052", "names no service"},
	{compose, "networks: [mesh, database]", "networks: [database]", "share no network"},
	{compose, "mysql://orders@", "mysql://customers@", "is not its own database"},
	{compose, "mysql://orders@", "mysql://orders:pw@", "without a password"},
	{compose, "{internal: true}", "{internal: false}", "leads outside"},
	{compose, "mysql:8.4", "mysql:latest", "mysql is mysql:latest"},
	{compose, "--sync-binlog=1", "--sync-binlog=0", "--sync-binlog=0"},
	{compose, "mysql:/var/lib/mysql", "./data:/var/lib/mysql", "on no named volume"},
	{compose, "target: orders}", "target: order}", "orders is not built from the stage"},
	{compose, "context: ..", "context: .", "is not built from the stage"},
	{replicas, "  orders:\n    scale: 2\n", "  orders:\n    scale: 3\n", "replicas.yml: 3 of orders, should be 2"},
	{replicas, "ports: !reset []", "restart: always", "publishes 50052"},
	{dockerfile, "EXPOSE 3000 3001 3002 3003", "EXPOSE 3000", "the image of gateway exposes"},
	{dockerfile, `CMD ["gateway", "--check"]`, "NONE", "gateway has no health check"},
	{dockerfile, `CMD ["gateway", "--check"]`, "CMD gateway --check", "gateway has no health check, or one by a shell"},
	{dockerfile, `["gateway", "--check"]`, `["gateway", "--chek"]`, "gateway has no flag --chek"},
	{dockerfile, "USER 10001:10001", "USER sagamesh", "USER is not a fixed number"},
	{dockerfile, "USER 10001:10001", "USER 0:0", "runs as root"},
	{dockerfile, "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "STOPSIGNAL is not SIGTERM"},
	{dockerfile, `ENTRYPOINT ["orders"]`, "ENTRYPOINT orders", "orders: ENTRYPOINT is not the program itself"},
	{dockerfile, "sagamesh-orders", "sagamesh-customers", "orders: labels"},
	{dockerfile, "COPY cmake cmake", "COPY cmake-modules cmake", "cmake-modules is copied"},
	{dockerfile, "COPY --from=gateway-build", "COPY --from=gate", "copies from gate"},
	{dockerfile, "WORKDIR /src", "WORKDRI /src", "WORKDRI"},
	{".dockerignore", "!proto\n", "", "proto is copied"},
	{".dockerignore", "!scripts/lib/tools.sh\n", "", "scripts/lib/tools.sh is copied"},
	{".dockerignore", "!deploy/build\n", "!deploy\n", "is sent to a build"},
	{".gitignore", "/deploy/secrets/\n", "", "git does not ignore deploy/secrets"},
	{"deploy/make-secrets", "SECRETS=(mysql_root ", "SECRETS=(", "does not make mysql_root"},
	{"deploy/mysql/databases.sh", "for service in customers orders", "for service in customers",
		"does not make the databases"},
	{"CMakeLists.txt", "project(sagamesh VERSION 0.", "project(sagamesh VERSION 7.", "are not of version"},
	{"README.md", "| 50052 | 3002 |", "| 50052 | 3009 |", "documented are"},
	{"orders/main.cc", "grace, absl::Seconds(10)", "grace, absl::Seconds(13)", "orders is killed before its grace"},
}

func TestEveryRuleSeesItsFault(t *testing.T) {
	for _, plant := range plants {
		faulty := here(t)
		text, err := faulty.read(plant.file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, plant.old) {
			t.Errorf("%s does not hold %q", plant.file, plant.old)
			continue
		}
		faulty.overrides[plant.file] = strings.ReplaceAll(text, plant.old, plant.new)
		if wrong := strings.Join(violations(t, faulty), "\n"); !strings.Contains(wrong, plant.want) {
			t.Errorf("%s: %q for %q: got %q, without %q", plant.file, plant.new, plant.old, wrong, plant.want)
		}
	}
}
