package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// madeSecrets runs deploy/make-secrets in a tree of its own, and reads what it made.
func madeSecrets(t *testing.T, root string, args ...string) map[string]string {
	t.Helper()
	for _, name := range []string{"deploy/make-secrets", "scripts/lib/common.sh"} {
		text, err := here(t).read(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.Command(filepath.Join(root, "deploy/make-secrets"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	secrets := map[string]string{}
	for _, name := range []string{"mysql_root", "customers", "orders", "coordinator"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy/secrets", name))
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = string(text)
	}
	return secrets
}

func TestSecretsAreLongDifferentAndInAClosedFolder(t *testing.T) {
	root := t.TempDir()
	seen := map[string]bool{}
	for name, secret := range madeSecrets(t, root) {
		if !regexp.MustCompile(`^[0-9a-f]{48}$`).MatchString(secret) || seen[secret] {
			t.Errorf("%s is %q", name, secret)
		}
		seen[secret] = true
		// Containers of other users read the file; nobody else comes to it.
		if info, _ := os.Stat(filepath.Join(root, "deploy/secrets", name)); info.Mode().Perm() != 0o644 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if info, _ := os.Stat(filepath.Join(root, "deploy/secrets")); info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v", info.Mode())
	}
}

func TestOnlyTheSecretThatIsToBeRenewedChangesAndItStaysTheSameFile(t *testing.T) {
	root := t.TempDir()
	first := madeSecrets(t, root)
	path := filepath.Join(root, "deploy/secrets/orders")
	before, _ := os.Stat(path)
	if second := madeSecrets(t, root); second["orders"] != first["orders"] || second["mysql_root"] != first["mysql_root"] {
		t.Errorf("a second run changed %v to %v", first, second)
	}
	third := madeSecrets(t, root, "--renew=orders")
	for name := range first {
		if changed := third[name] != first[name]; changed != (name == "orders") {
			t.Errorf("%s: changed: %v", name, changed)
		}
	}
	// A container has the file mounted, not its name.
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("orders is another file now")
	}
}
