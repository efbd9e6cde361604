package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// ErrNewer says that something was written by a newer novaplan, so this one must not go on.
var ErrNewer = errors.New("the log was written by a newer novaplan: use that one, or a later")

// ErrCorrupt says that bytes are not what was written.
var ErrCorrupt = errors.New("damaged data")

// commandVersion is the first byte of an encoded command. Four bytes of CRC-32C of the rest follow,
// then CBOR in core deterministic encoding.
const commandVersion = 1

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	encoder    = mustEncoder()
	decoder    = mustDecoder()
)

type envelope struct {
	At           time.Time `json:"at"`
	ClockStepped bool      `json:"clock_stepped,omitempty"`
	Command      Command   `json:"command"`
}

// EncodeCommand returns the bytes of a log entry: its time, its clock mark and its command. Equal
// entries give equal bytes.
func EncodeCommand(e Entry) ([]byte, error) {
	body, err := encoder.Marshal(envelope{At: e.At.UTC().Round(0), ClockStepped: e.ClockStepped, Command: e.Command})
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	return framed(commandVersion, body), nil
}

// framed puts version and checksum before a body.
func framed(version byte, body []byte) []byte {
	data := make([]byte, 5, 5+len(body))
	data[0] = version
	binary.BigEndian.PutUint32(data[1:], crc32.Checksum(body, castagnoli))
	return append(data, body...)
}

// DecodeCommand reads what EncodeCommand wrote; Index and Term come from the log. What this binary
// doesn't know in full (a command, a field, a level) is ErrNewer: to skip it would make members differ.
// Damage is ErrCorrupt.
func DecodeCommand(data []byte) (Entry, error) {
	if len(data) < 5 {
		return Entry{}, fmt.Errorf("log entry of %d bytes: %w", len(data), ErrCorrupt)
	}
	if crc32.Checksum(data[5:], castagnoli) != binary.BigEndian.Uint32(data[1:]) {
		return Entry{}, fmt.Errorf("log entry: checksum: %w", ErrCorrupt)
	}
	if data[0] != commandVersion {
		return Entry{}, fmt.Errorf("log entry format %d: %w", data[0], ErrNewer)
	}
	var env envelope
	if err := decode(data[5:], &env); err != nil {
		return Entry{}, fmt.Errorf("log entry: %w", err)
	}
	c := env.Command
	if c == (Command{}) {
		return Entry{}, fmt.Errorf("log entry: no known command: %w", ErrNewer)
	}
	if c.RaiseLevel != nil && c.RaiseLevel.Level > Level {
		return Entry{}, fmt.Errorf("level %d is needed, this novaplan has %d: %w", c.RaiseLevel.Level, Level, ErrNewer)
	}
	if c.Bootstrap != nil && c.Bootstrap.Level > Level {
		return Entry{}, fmt.Errorf("level %d is needed, this novaplan has %d: %w", c.Bootstrap.Level, Level, ErrNewer)
	}
	return Entry{At: env.At, ClockStepped: env.ClockStepped, Command: c}, nil
}

// decode reads CBOR whose checksum was right: an unknown field is a newer writer's.
func decode(data []byte, v any) error {
	err := decoder.Unmarshal(data, v)
	var unknown *cbor.UnknownFieldError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w (%v)", ErrNewer, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrCorrupt, err)
	}
	return nil
}

func mustEncoder() cbor.EncMode {
	opts := cbor.CoreDetEncOptions()
	opts.Time = cbor.TimeRFC3339NanoUTC
	mode, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}

func mustDecoder() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxArrayElements:  1 << 24,
		MaxMapPairs:       1 << 20,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}
