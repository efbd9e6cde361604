package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/state"
)

func config(t *testing.T, text string) (*serverConfig, []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, diags := readServerConfig(file)
	said := make([]string, 0, len(diags))
	for _, d := range diags {
		said = append(said, fmt.Sprintf("%d %s", lineOf(d), d.Summary))
	}
	return c, said
}

func TestServerConfigDefaults(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/srv/novaplan")
	c, said := config(t, `name = "alpha"`)
	if len(said) > 0 {
		t.Fatal(said)
	}
	c.at = nil
	want := &serverConfig{
		Name: "alpha", Fleet: "default", Mode: state.Real, DataDir: "/srv/novaplan", Address: "127.0.0.1:8440", Expect: 1, Profile: cluster.LAN,
		SecretsKey: "/srv/novaplan/secrets.key", SimDir: "/srv/novaplan/hosts", Metrics: metricsForSome, Grace: 30 * time.Second,
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(serverConfig{})); diff != "" {
		t.Error(diff)
	}
	c, _ = config(t, `retry_join = ["10.0.0.2:8440"]`)
	if c.Expect != 0 {
		t.Errorf("who knows of others begins with %d members", c.Expect)
	}
}

func TestServerConfigFindsEveryMistake(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"values": {"mode = \"fake\"\nadress = \"x\"\nbootstrap_expect = 2.5\nretry_join = [null]\ntls {\n  ca = \"ca.pem\"\n}\nlog { level = \"loud\" }\ngrace = \"soon\"\ntimeouts = 3\n",
			[]string{"1 Wrong value for mode", "2 Unsupported argument", "3 Wrong value for bootstrap_expect", "4 Wrong value for retry_join",
				"5 Missing cert", "5 Missing key", "8 Wrong value for level", "9 Wrong value for grace", "10 Wrong value for timeouts"}},
		"together": {"name = \"a b\"\naddress = \"0.0.0.0:8440\"\nbootstrap_expect = 4\nspec_dir = \"nowhere\"\nretry_join = [\"x\"]\nadvertise = \":1\"\ndata_dir = \"server.hcl\"\n",
			[]string{"1 Not a name", "2 Others reach this address, and there is no certificate", "3 An even number of members", "4 No such folder",
				"5 Not an address", "6 Not an address", "7 Not a folder"}},
		"nobody":     {"bootstrap_expect = 3\n", []string{"1 The others are nowhere to be found"}},
		"joins none": {"bootstrap_expect = 0\n", []string{"1 Nobody to join"}},
		"twice":      {"log {}\nlog {}\n", []string{"2 A second log block"}},
		"credential": {"secrets_key = \"${credentials}/key\"\n", []string{"1 Unknown variable"}},
		"syntax":     {"name = \n", []string{"1 Invalid expression"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, said := config(t, test.text)
			if diff := cmp.Diff(test.want, said); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServerConfigKnowsCredentials(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/novaplan.service")
	c, said := config(t, "secrets_key = \"${credentials}/secrets.key\"\ndata_dir = \"data\"")
	if len(said) > 0 || c.SecretsKey != "/run/credentials/novaplan.service/secrets.key" {
		t.Errorf("%v, %q", said, c.SecretsKey)
	}
	if !filepath.IsAbs(c.DataDir) || filepath.Base(c.DataDir) != "data" {
		t.Errorf("data_dir is %q: want it beside the configuration", c.DataDir)
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	n := newNotifier()
	n.tell("READY=1\nSTATUS=%s", "ready")
	got := make([]byte, 100)
	size, err := socket.Read(got)
	if err != nil || string(got[:size]) != "READY=1\nSTATUS=ready" || n.watchdog != 30*time.Second {
		t.Errorf("%q, %v, watchdog %v", got[:size], err, n.watchdog)
	}
	t.Setenv("WATCHDOG_PID", "1")
	if n := newNotifier(); n.watchdog != 0 {
		t.Error("the watchdog of another process was taken for ours")
	}
}

// TestWatchdogBites feeds the watchdog only while the server is alive.
func TestWatchdogBites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		notifier{watchdog: 20 * time.Second}.watch(ctx, func() bool { asked++; return false })
		if asked != 6 { // at 0, 10, ..., 50 s
			t.Errorf("looked %d times in a minute, want 6", asked)
		}
	})
}

func TestLogSaysWhere(t *testing.T) {
	var b bytes.Buffer
	newLog(&b, true, slog.LevelInfo).Info("hello", "request", "r1")
	if got := b.String(); !strings.Contains(got, `"source":"novaplan/server_test.go:`) || !strings.Contains(got, `"request":"r1"`) {
		t.Error(got)
	}
}

func TestRoutesAreFew(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/plan": "GET /v1/plan", "/v1/members/alpha": "GET /v1/members", "/v1/requests/r1/events": "GET /v1/requests", "/healthz": "GET /healthz",
	} {
		if got := routeOf(httptest.NewRequest("GET", path, nil), http.StatusOK); got != want {
			t.Errorf("%s counts as %s, want %s", path, got, want)
		}
	}
	if got := routeOf(httptest.NewRequest("GET", "/made/up", nil), http.StatusNotFound); got != "none" {
		t.Errorf("what isn't there counts as %s", got)
	}
}

// TestPackagedConfiguration checks the configuration that comes with the Debian package: as it is, and with all that it
// suggests.
func TestPackagedConfiguration(t *testing.T) {
	const file = "../../packaging/server.hcl"
	c, _, diags := readServerConfig(file)
	if len(diags) > 0 || c.DataDir != "/var/lib/novaplan" || c.Address != defaultAddress || c.Expect != 1 {
		t.Errorf("as it comes: %s, %v", c.summary(), diags)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, line := range []string{"tls ca create -dir " + dir, "tls cert create -server alpha -ip 10.0.0.1 -dir " + dir} {
		if code := run(t.Context(), strings.Fields(line), &console{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}); code != 0 {
			t.Fatalf("novaplan %s: exit %d", line, code)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
	suggested := regexp.MustCompile(`(?m)^# ((?:\w+ +=|tls|  \w+ +=|\}).*)$`).ReplaceAllString(string(text), "$1")
	path := filepath.Join(dir, "server.hcl")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(suggested, "/etc/novaplan/fleet", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, diags = readServerConfig(path)
	if len(diags) > 0 || c.Name != "alpha" || c.Expect != 3 || c.SecretsKey != "/run/credentials/novaplan_secrets.key" {
		t.Errorf("with all that it suggests: %s, %v\n%s", c.summary(), diags, suggested)
	}
}

// ports replaces words in a file by ports that nobody has at the moment: ports FILE WORD...
func ports(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	for _, word := range args[1:] {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		text = bytes.ReplaceAll(text, []byte(word), []byte(port))
	}
	ts.Check(os.WriteFile(path, text, 0o644))
}
