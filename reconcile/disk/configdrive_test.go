package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fullDrive() ConfigDrive {
	return ConfigDrive{
		InstanceID: "8d9e0a52-5b0c-5b0e-9a63-3f6f5b0d9a11", Hostname: "web-0",
		UserData:   []byte("#!/bin/sh\necho <hello> & done\n"),
		PublicKeys: []string{"ssh-ed25519 AAAA me@here"},
		Metadata:   map[string]string{"role": "web", "a": "b"},
		NICs: []GuestNIC{{
			Name: "nic0", MAC: "52:54:00:AA:BB:01", MTU: 1400,
			Address: netip.MustParsePrefix("10.20.1.5/16"), Gateway: netip.MustParseAddr("10.20.0.1"),
			DNS: []netip.Addr{netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("10.20.0.3")},
		}, {Name: "NOT A NAME", MAC: "52:54:00:aa:bb:02"}},
	}
}

// read returns the files of a drive.
func read(t interface{ Fatal(...any) }, drive []byte) map[string]string {
	disk := &memDisk{bytes: drive}
	fat, err := fat12.Read(disk, int64(len(drive)), 0, 512)
	if err != nil {
		t.Fatal(err)
	}
	if label := strings.TrimSpace(fat.Label()); label != driveLabel {
		t.Fatal("label is ", label)
	}
	entries, err := fat.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		content, err := fat.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

func TestConfigDrive(t *testing.T) {
	drive, err := fullDrive().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"user-data": "#!/bin/sh\necho <hello> & done\n",
		"meta-data": `{
  "instance-id": "8d9e0a52-5b0c-5b0e-9a63-3f6f5b0d9a11",
  "local-hostname": "web-0",
  "public-keys": [
    "ssh-ed25519 AAAA me@here"
  ],
  "meta": {
    "a": "b",
    "role": "web"
  }
}
`,
		"network-config": `{
  "version": 2,
  "ethernets": {
    "nic0": {
      "match": {
        "macaddress": "52:54:00:aa:bb:01"
      },
      "dhcp4": false,
      "addresses": [
        "10.20.1.5/16"
      ],
      "routes": [
        {
          "to": "0.0.0.0/0",
          "via": "10.20.0.1"
        }
      ],
      "nameservers": {
        "addresses": [
          "10.20.0.2",
          "10.20.0.3"
        ]
      },
      "mtu": 1400
    },
    "nic1": {
      "match": {
        "macaddress": "52:54:00:aa:bb:02"
      },
      "dhcp4": true
    }
  }
}
`,
	}
	if diff := cmp.Diff(want, read(t, drive)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestConfigDriveIsDeterministic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := fullDrive().Bytes()
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(1000 * time.Hour)
		second, err := fullDrive().Bytes()
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("the same drive a thousand hours later is another one (%v)", err)
		}
	})
}

func TestKeysWithoutUserData(t *testing.T) {
	drive, err := ConfigDrive{PublicKeys: []string{"k1", "k2"}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ := strings.Cut(read(t, drive)["user-data"], "\n")
	var config map[string][]string
	if err := json.Unmarshal([]byte(body), &config); err != nil || header != "#cloud-config" {
		t.Errorf("user-data begins with %q: %v", header, err)
	}
	if diff := cmp.Diff(map[string][]string{"ssh_authorized_keys": {"k1", "k2"}}, config); diff != "" {
		t.Errorf("cloud-config (-want +got):\n%s", diff)
	}
	drive, err = ConfigDrive{}.Bytes()
	if got := read(t, drive)["user-data"]; err != nil || got != "#cloud-config\n" {
		t.Errorf("user-data of nothing is %q, %v", got, err)
	}
}

func TestConfigDriveRefusals(t *testing.T) {
	_, err := ConfigDrive{UserData: make([]byte, MaxUserData+1)}.Bytes()
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "64 KiB") {
		t.Errorf("too much user data: %v", err)
	}
	if _, err := (ConfigDrive{NICs: []GuestNIC{{MAC: "nonsense"}}}).Bytes(); err == nil {
		t.Error("a MAC that is none was taken")
	}
	if _, err := (ConfigDrive{NICs: []GuestNIC{{Name: "nic1", MAC: "52:54:00:00:00:01"}, {Name: "nic1", MAC: "52:54:00:00:00:02"}}}).Bytes(); err == nil {
		t.Error("two interfaces of one name were taken")
	}
}

// Whatever the user writes is on the drive as it was written.
func TestAnyUserDataIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "user data")
		if rapid.Bool().Draw(t, "large") {
			want = bytes.Repeat(want, MaxUserData/len(want))
		}
		drive, err := ConfigDrive{InstanceID: "i", UserData: want}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, drive)["user-data"]; got != string(want) {
			t.Fatalf("%d bytes came back of %d", len(got), len(want))
		}
	})
}
