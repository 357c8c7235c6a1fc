package wire_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stargate.io/stargate/policies/hooks/wire"
)

// TestFramesComeBack as they were written, one after the other.
func TestFramesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOf(rapid.SampledFrom([]wire.Kind{wire.KindRun, wire.KindLog, wire.KindEnd})).Draw(t, "kinds")
		var pipe bytes.Buffer
		for _, kind := range kinds {
			if err := wire.Write(&pipe, kind, wire.Log{Text: string(kind)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, kind := range kinds {
			got, payload, err := wire.Read(&pipe)
			if err != nil || got != kind || string(payload) != `{"Text":"`+string(kind)+`"}` {
				t.Fatalf("got %c %s, %v", got, payload, err)
			}
		}
	})
}

func TestFramesAreBounded(t *testing.T) {
	if err := wire.Write(&bytes.Buffer{}, wire.KindLog, strings.Repeat("x", wire.MaxFrame)); err == nil {
		t.Error("a frame that is too large was written")
	}
	// Only the length is there: judged by it, the rest is not waited for.
	head := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1)
	if _, _, err := wire.Read(bytes.NewReader(append(head, 'l'))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a frame that is too large: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 'l', '{', '}'})
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, payload, err := wire.Read(bytes.NewReader(text)); err == nil && len(payload) > len(text) {
			t.Errorf("%d bytes of %d", len(payload), len(text))
		}
	})
}
