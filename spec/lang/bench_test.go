package lang

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const benchHead = `
zone "az0" {}
zone "az1" {}
pool "vms" {
  path   = "/srv/vms"
  shared = true
}
flavor "small" {
  vcpus = 1
  ram   = "2GiB"
  disk  = 20
}
image "debian" { source = "/srv/debian.qcow2" }
network "lan" {
  bridge          = "br0"
  cidr            = "10.0.0.0/8"
  allocation_pool = ["10.1.0.0", "10.200.0.0"]
}
server_group "web" { policy = "soft-anti-affinity" }
host "kvm" {
  count = 1000
  uri   = "sim://h${count.index}"
  zone  = [zone.az0, zone.az1][count.index % 2]
}
`

func benchFolder(b *testing.B, text string) string {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.np.hcl"), []byte(benchHead+text), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

func benchLoad(b *testing.B, text string, want int) {
	dir := benchFolder(b, text)
	b.ReportAllocs()
	for b.Loop() {
		f, diags := Load(context.Background(), dir, Options{})
		if diags.HasErrors() || len(f.Spec.Instances) != want {
			b.Fatalf("%d instances, want %d; %v", len(f.Spec.Instances), want, diags)
		}
	}
}

func BenchmarkLoadSeparate10k(b *testing.B) {
	var s strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&s, `
instance "web-%d" {
  flavor   = flavor.small
  image    = image.debian
  pool     = pool.vms
  zone     = zone.az%d
  group    = server_group.web
  metadata = { disk = "any" }
  nic { network = network.lan }
}
`, i, i%2)
	}
	benchLoad(b, s.String(), 10_000)
}

func countBlock(n int) string {
	return fmt.Sprintf(`
instance "web" {
  count    = %d
  flavor   = flavor.small
  image    = image.debian
  pool     = pool.vms
  zone     = [zone.az0, zone.az1][count.index %% 2]
  group    = server_group.web
  metadata = { disk = "any" }
  nic { network = network.lan }
}
`, n)
}

func BenchmarkLoadCount10k(b *testing.B)  { benchLoad(b, countBlock(10_000), 10_000) }
func BenchmarkLoadCount100k(b *testing.B) { benchLoad(b, countBlock(100_000), 100_000) }
