package check

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

var (
	databaseServices = []string{"customers", "orders", "coordinator"}
	builtServices    = append(slices.Clone(databaseServices), "gateway")
	allServices      = append(slices.Clone(builtServices), "mysql")
	noNewPrivileges  = []string{"no-new-privileges:true"}
)

// cleanupMax is what a service takes after its grace, at most.
const cleanupMax = 2 * time.Second

// rule says what is wrong, one text each; nothing if all is well.
type rule func(*deployment) []string

var rules = []rule{
	everyProcessIsThere, everyContainerIsConfined, everyContainerTellsItsHealth, theGraceFitsIntoTheStop,
	passwordsAreFilesOnly, secretsStayOutOfGitAndBuilds, exactlyTheDocumentedPortsArePublished, everyFlagIsKnown,
	theServicesFindEachOther, everyServiceHasADatabaseOfItsOwn, theDatabaseIsDurable, everyImageIsWhole,
	theBuildHasWhatItCopies, replicasAreTwoAndPublishNothing,
}

func everyProcessIsThere(d *deployment) (wrong []string) {
	names := d.project.ServiceNames()
	sort.Strings(names)
	if want := slices.Sorted(slices.Values(allServices)); !slices.Equal(names, want) {
		wrong = append(wrong, fmt.Sprintf("services are %q, should be %q", names, want))
	}
	return wrong
}

func everyContainerIsConfined(d *deployment) (wrong []string) {
	for name, s := range d.project.Services {
		user := s.User
		if user == "" && s.Build != nil {
			if u := last[*instructions.UserCommand](d.commandsOf(s.Build.Target)); u != nil {
				user = u.User
			}
		}
		for what, ok := range map[string]bool{
			"runs as root":                         user != "" && user != "root" && !strings.HasPrefix(user, "0"),
			"has a root file system to write to":   s.ReadOnly,
			"keeps capabilities":                   slices.Equal(s.CapDrop, []string{"ALL"}) && len(s.CapAdd) == 0,
			"may gain privileges":                  slices.Equal(s.SecurityOpt, noNewPrivileges) && !s.Privileged,
			"has no init":                          s.Init != nil && *s.Init,
			"is not started again":                 s.Restart == types.RestartPolicyUnlessStopped,
			"writes logs without bound":            s.Logging != nil && s.Logging.Options["max-size"] != "",
			"is on the host's or no named network": s.NetworkMode == "" && len(s.Networks) > 0,
		} {
			if !ok {
				wrong = append(wrong, name+" "+what)
			}
		}
	}
	return wrong
}

func everyContainerTellsItsHealth(d *deployment) (wrong []string) {
	for name, s := range d.project.Services {
		var test []string
		if s.HealthCheck != nil && !s.HealthCheck.Disable {
			test = s.HealthCheck.Test
		} else if s.Build != nil {
			if h := last[*instructions.HealthCheckCommand](d.commandsOf(s.Build.Target)); h != nil {
				test = h.Health.Test
			}
		}
		// A shell would be in the way of signals, and hides a program that is missing.
		if len(test) < 2 || test[0] != "CMD" {
			wrong = append(wrong, fmt.Sprintf("%s has no health check, or one by a shell: %q", name, test))
		}
		for dependency, how := range s.DependsOn {
			if (dependency == "mysql" || name == "gateway") && how.Condition != types.ServiceConditionHealthy {
				wrong = append(wrong, fmt.Sprintf("%s does not wait until %s is healthy", name, dependency))
			}
		}
	}
	return wrong
}

var defaultGrace = regexp.MustCompile(`, grace, absl::Seconds\((\d+)\)|"grace", (\d+)\*time.Second`)

func theGraceFitsIntoTheStop(d *deployment) (wrong []string) {
	for _, name := range builtServices {
		s := d.service(name)
		if s == nil {
			continue
		}
		source := name + "/main.cc"
		if name == "gateway" {
			source = "gateway/main.go"
		}
		found := defaultGrace.FindStringSubmatch(d.texts[source])
		if found == nil {
			return append(wrong, source+" has no --grace")
		}
		seconds, _ := strconv.Atoi(found[1] + found[2])
		grace := time.Duration(seconds)*time.Second + cleanupMax
		if flags, _ := flagsIn(s.Command); flags["grace"] != "" {
			wrong = append(wrong, name+" sets --grace: check stop_grace_period here too")
		}
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) <= grace {
			wrong = append(wrong, fmt.Sprintf("%s is killed before its grace, %v, is over", name, grace))
		}
	}
	return wrong
}

var passwordName = regexp.MustCompile(`(?i)passw|secret|token|credential`)

func passwordsAreFilesOnly(d *deployment) (wrong []string) {
	for name, s := range d.project.Services {
		granted := map[string]bool{}
		for _, secret := range s.Secrets {
			granted[secret.Source] = true
		}
		for key, value := range s.Environment {
			if value == nil || !passwordName.MatchString(key) {
				continue
			}
			secret, ok := strings.CutPrefix(*value, "/run/secrets/")
			if !ok || !strings.HasSuffix(key, "_FILE") || !granted[secret] {
				wrong = append(wrong, fmt.Sprintf("%s: %s is no file of a secret that it may read", name, key))
			}
		}
		for _, argument := range append(slices.Clone(s.Command), s.Entrypoint...) {
			if passwordName.MatchString(argument) {
				wrong = append(wrong, fmt.Sprintf("%s has a password in its command: %s", name, argument))
			}
		}
		if name != "mysql" && len(granted) > 1 {
			wrong = append(wrong, name+" may read others' passwords")
		}
	}
	return wrong
}

func secretsStayOutOfGitAndBuilds(d *deployment) (wrong []string) {
	folder := filepath.Join(d.tree.root, "deploy", "secrets")
	for name, secret := range d.project.Secrets {
		if secret.File != filepath.Join(folder, name) {
			wrong = append(wrong, fmt.Sprintf("secret %s is in %s, not in deploy/secrets", name, secret.File))
		}
		if !d.isIgnored("deploy/secrets/" + name) {
			wrong = append(wrong, "deploy/secrets/"+name+" is sent to a build")
		}
		if !regexp.MustCompile(`SECRETS=\([^)]*\b` + name + `\b`).MatchString(d.texts["deploy/make-secrets"]) {
			wrong = append(wrong, "deploy/make-secrets does not make "+name)
		}
	}
	if !slices.Contains(strings.Fields(d.texts[".gitignore"]), "/deploy/secrets/") {
		wrong = append(wrong, "git does not ignore deploy/secrets")
	}
	return wrong
}

var (
	portsTable = regexp.MustCompile(`(?s)\n## Ports\n(.*?)\n\n[^|]`)
	portNumber = regexp.MustCompile(`\b\d{4,5}\b`)
)

func exactlyTheDocumentedPortsArePublished(d *deployment) (wrong []string) {
	documented := map[string][]string{}
	for _, row := range strings.Split(portsTable.FindString(d.texts["README.md"]), "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		name := strings.TrimSpace(cells[1])
		for i, cell := range cells[2:] {
			owner := name
			if i == 1 {
				owner = "gateway" // REST
			}
			documented[owner] = append(documented[owner], portNumber.FindAllString(cell, -1)...)
		}
	}
	for name, s := range d.project.Services {
		var published []string
		for _, port := range s.Ports {
			published = append(published, port.Published)
			if port.HostIP != "127.0.0.1" || port.Published != strconv.Itoa(int(port.Target)) {
				wrong = append(wrong, fmt.Sprintf("%s publishes %s:%s as %d", name, port.HostIP, port.Published, port.Target))
			}
		}
		sort.Strings(published)
		want := slices.Sorted(slices.Values(documented[name]))
		if !slices.Equal(published, want) {
			wrong = append(wrong, fmt.Sprintf("%s publishes %q, documented are %q", name, published, want))
		}
		if s.Build == nil {
			continue
		}
		var exposed []string
		if e := last[*instructions.ExposeCommand](d.commandsOf(s.Build.Target)); e != nil {
			exposed = slices.Sorted(slices.Values(e.Ports))
		}
		if !slices.Equal(exposed, want) {
			wrong = append(wrong, fmt.Sprintf("the image of %s exposes %q, documented are %q", name, exposed, want))
		}
	}
	return wrong
}

func everyFlagIsKnown(d *deployment) (wrong []string) {
	for _, name := range builtServices {
		known := d.flagsOf(name)
		commands := [][]string{}
		if s := d.service(name); s != nil {
			commands = append(commands, s.Command)
		}
		if c := last[*instructions.CmdCommand](d.commandsOf(name)); c != nil {
			commands = append(commands, c.CmdLine)
		}
		if h := last[*instructions.HealthCheckCommand](d.commandsOf(name)); h != nil && len(h.Health.Test) > 2 &&
			h.Health.Test[1] == name {
			commands = append(commands, h.Health.Test[2:])
		}
		for _, command := range commands {
			flags, rest := flagsIn(command)
			for flag := range flags {
				if !slices.Contains(known, flag) {
					wrong = append(wrong, fmt.Sprintf("%s has no flag --%s", name, flag))
				}
			}
			if len(rest) > 0 {
				wrong = append(wrong, fmt.Sprintf("%s takes no arguments such as %q", name, rest))
			}
		}
	}
	return wrong
}

// replicasAreTwoAndPublishNothing: the host's port has room for one.
func replicasAreTwoAndPublishNothing(d *deployment) (wrong []string) {
	for name, s := range d.replicated.Services {
		want := 1
		if slices.Contains(databaseServices, name) {
			want = 2
		}
		if s.GetScale() != want {
			wrong = append(wrong, fmt.Sprintf("replicas.yml: %d of %s, should be %d", s.GetScale(), name, want))
		}
		if s.GetScale() > 1 && len(s.Ports) > 0 {
			wrong = append(wrong, fmt.Sprintf("replicas.yml: each of %s publishes %s", name, s.Ports[0].Published))
		}
	}
	return wrong
}

// theServicesFindEachOther: every target is a service that listens there, for all, and shares a network.
func theServicesFindEachOther(d *deployment) (wrong []string) {
	for name, targets := range map[string][]string{
		"orders": {"customers"}, "coordinator": {"participants"}, "gateway": {"customers", "orders", "coordinator"},
	} {
		s := d.service(name)
		if s == nil {
			continue
		}
		flags, _ := flagsIn(s.Command)
		for _, flag := range targets {
			address := strings.TrimPrefix(flags[flag], "orders.v1.OrdersService=")
			host, port, err := net.SplitHostPort(address)
			peer := d.service(host)
			if err != nil || peer == nil {
				wrong = append(wrong, fmt.Sprintf("%s: --%s=%s names no service", name, flag, flags[flag]))
				continue
			}
			if listens, _ := flagsIn(peer.Command); listens["listen"] != "0.0.0.0:"+port {
				wrong = append(wrong, fmt.Sprintf("%s: --%s=%s: nobody listens there", name, flag, flags[flag]))
			}
			if !shareANetwork(s, peer) {
				wrong = append(wrong, fmt.Sprintf("%s and %s share no network", name, host))
			}
		}
	}
	return wrong
}

func shareANetwork(a, b *types.ServiceConfig) bool {
	for network := range a.Networks {
		if _, ok := b.Networks[network]; ok {
			return true
		}
	}
	return false
}

func everyServiceHasADatabaseOfItsOwn(d *deployment) (wrong []string) {
	mysql := d.service("mysql")
	made := "for service in " + strings.Join(databaseServices, " ") + ";"
	if !strings.Contains(d.texts["deploy/mysql/databases.sh"], made) {
		wrong = append(wrong, fmt.Sprintf("deploy/mysql/databases.sh does not make the databases of %q", databaseServices))
	}
	for _, name := range databaseServices {
		s := d.service(name)
		if s == nil || mysql == nil {
			continue
		}
		flags, _ := flagsIn(s.Command)
		database, err := url.Parse(flags["db"])
		if err != nil || database.Scheme != "mysql" || database.Host != "mysql:3306" || database.Path != "/"+name ||
			database.User.String() != name {
			wrong = append(wrong, name+": is not its own database, as its own user, without a password: --db="+flags["db"])
		}
		if !shareANetwork(s, mysql) {
			wrong = append(wrong, name+" does not reach mysql")
		}
		if file := s.Environment["SAGAMESH_DB_PASSWORD_FILE"]; file == nil || *file != "/run/secrets/"+name {
			wrong = append(wrong, name+" is not told its password")
		}
	}
	for network := range mysqlNetworks(mysql) {
		if !d.project.Networks[network].Internal {
			wrong = append(wrong, "mysql is on a network that leads outside: "+network)
		}
	}
	info, err := os.Stat(filepath.Join(d.tree.root, "deploy", "mysql", "databases.sh"))
	if err != nil || info.Mode()&0o111 == 0 {
		wrong = append(wrong, "deploy/mysql/databases.sh cannot be executed")
	}
	return wrong
}

func mysqlNetworks(mysql *types.ServiceConfig) map[string]*types.ServiceNetworkConfig {
	if mysql == nil {
		return nil
	}
	return mysql.Networks
}

func theDatabaseIsDurable(d *deployment) (wrong []string) {
	s := d.service("mysql")
	if s == nil {
		return nil
	}
	if s.Image != "mysql:8.4" {
		wrong = append(wrong, "mysql is "+s.Image)
	}
	flags, _ := flagsIn(s.Command)
	for _, flag := range []string{"innodb-flush-log-at-trx-commit", "sync-binlog"} {
		if flags[flag] != "1" {
			wrong = append(wrong, fmt.Sprintf("mysql runs with --%s=%s", flag, flags[flag]))
		}
	}
	for _, volume := range s.Volumes {
		if volume.Target == "/var/lib/mysql" && volume.Type == types.VolumeTypeVolume && volume.Source != "" {
			return wrong
		}
	}
	return append(wrong, "mysql's data is on no named volume")
}

var (
	projectVersion = regexp.MustCompile(`project\(sagamesh VERSION ([\d.]+)`)
	fixedUser      = regexp.MustCompile(`^[1-9]\d+:[1-9]\d+$`)
)

func everyImageIsWhole(d *deployment) (wrong []string) {
	version := projectVersion.FindStringSubmatch(d.texts["CMakeLists.txt"])
	for _, name := range builtServices {
		s := d.service(name)
		if s == nil {
			continue
		}
		if s.Build == nil || s.Build.Target != name || filepath.Clean(s.Build.Context) != d.tree.root ||
			s.Build.Dockerfile != "deploy/Dockerfile" || d.stage(name) == nil {
			wrong = append(wrong, fmt.Sprintf("%s is not built from the stage %s of deploy/Dockerfile", name, name))
			continue
		}
		commands := d.commandsOf(name)
		entrypoint := last[*instructions.EntrypointCommand](commands)
		if entrypoint == nil || entrypoint.PrependShell || !slices.Equal(entrypoint.CmdLine, []string{name}) {
			wrong = append(wrong, name+": ENTRYPOINT is not the program itself")
		}
		if user := last[*instructions.UserCommand](commands); user == nil || !fixedUser.MatchString(user.User) {
			wrong = append(wrong, name+": USER is not a fixed number")
		}
		if signal := last[*instructions.StopSignalCommand](commands); signal == nil || signal.Signal != "SIGTERM" {
			wrong = append(wrong, name+": STOPSIGNAL is not SIGTERM")
		}
		labels := labelsOf(commands)
		if version == nil || labels["org.opencontainers.image.version"] != version[1] ||
			labels["org.opencontainers.image.title"] != "sagamesh-"+name {
			wrong = append(wrong, fmt.Sprintf("%s: labels %v are not of version %q", name, labels, version))
		}
	}
	return wrong
}

func labelsOf(commands []instructions.Command) map[string]string {
	labels := map[string]string{}
	for _, c := range commands {
		if l, ok := c.(*instructions.LabelCommand); ok {
			for _, pair := range l.Labels {
				labels[pair.Key] = strings.Trim(pair.Value, `"`)
			}
		}
	}
	return labels
}

var sourcedFile = regexp.MustCompile(`(?m)^source .*/(lib/\w+\.sh)"$`)

// theBuildHasWhatItCopies: what is copied from the tree, and what the copied scripts read in turn, is there and is sent
// to the build; what is copied from a stage is of one that comes before.
func theBuildHasWhatItCopies(d *deployment) (wrong []string) {
	needed := map[string]bool{}
	for i, stage := range d.stages {
		for _, c := range stage.Commands {
			copied, ok := c.(*instructions.CopyCommand)
			if !ok {
				continue
			}
			if copied.From != "" {
				earlier := d.stages[:i]
				if !slices.ContainsFunc(earlier, func(s instructions.Stage) bool { return s.Name == copied.From }) {
					wrong = append(wrong, fmt.Sprintf("%s copies from %s, which is no stage before it", stage.Name, copied.From))
				}
				continue
			}
			for _, source := range copied.SourcePaths {
				needed[source] = true
			}
		}
	}
	for _, script := range []string{"scripts/install", "deploy/build"} {
		for _, match := range sourcedFile.FindAllStringSubmatch(d.texts[script], -1) {
			needed["scripts/"+match[1]] = true
		}
	}
	for name := range needed {
		info, err := os.Stat(filepath.Join(d.tree.root, name))
		// Of a folder it is enough that something in it is sent: .dockerignore lists files.
		if err != nil || d.isIgnored(name) && !(info.IsDir() && d.sendsSomethingOf(name)) {
			wrong = append(wrong, name+" is copied by the build, but not there or not sent to it")
		}
	}
	return wrong
}

func (d *deployment) sendsSomethingOf(folder string) bool {
	entries, _ := os.ReadDir(filepath.Join(d.tree.root, folder))
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !d.isIgnored(path.Join(folder, e.Name())) })
}
