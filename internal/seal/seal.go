// Package seal keeps secrets unreadable in the database: they are encrypted with a key that lives
// beside the services, never in a table or a backup of one.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// KeyBytes is the size of a key.
const KeyBytes = 32

// version prefixes sealed text: AES-256-GCM, random 96-bit nonce in front, unpadded URL base64.
const version = "v1."

// maxSealedBytes bounds what Open is willing to decode.
const maxSealedBytes = 1 << 20

// Key seals and opens secrets. It is safe for concurrent use and prints as nothing of itself.
type Key struct{ aead cipher.AEAD }

// New returns the key made of KeyBytes bytes. fault.Invalid: another size.
func New(raw []byte) (*Key, error) {
	if len(raw) != KeyBytes {
		return nil, fault.New(fault.Invalid, "a secret key has %d bytes", KeyBytes)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "use the secret key")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "use the secret key")
	}
	return &Key{aead}, nil
}

// Parse reads a key written as base64 of either alphabet, padded or not. fault.Invalid: the text
// is something else; the message does not repeat it.
func Parse(text string) (*Key, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text)), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "a secret key is base64 of %d bytes", KeyBytes)
	}
	return New(raw)
}

// Choose returns the key that a service was configured with: the one in text when that is not
// empty, else the one in the file secret.key of dir, which is made when it is missing.
func Choose(text, dir string) (*Key, error) {
	if text != "" {
		return Parse(text)
	}
	return Load(filepath.Join(dir, "secret.key"))
}

// Load reads the key in a file, or makes a random one there, readable by its owner alone. Several
// processes may do so at once: all get the same key.
func Load(path string) (*Key, error) {
	raw, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = writeKey(path); err == nil || errors.Is(err, fs.ErrExist) {
			raw, err = readKey(path)
		}
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the secret key file")
	}
	return Parse(string(raw))
}

func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 4*KeyBytes))
}

// writeKey puts a whole, synced file in place or fails with fs.ErrExist: a link never shows a
// half-written key and never replaces one.
func writeKey(path string) error {
	var raw [KeyBytes]byte
	_, _ = rand.Read(raw[:]) // never fails, by its contract
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(raw[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// Seal encrypts plain for one use, named by context; only Open with the same context reads it.
func (k *Key) Seal(plain []byte, context string) string {
	return version + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, plain, []byte(context)))
}

// Open decrypts what Seal returned. fault.Invalid: the text was sealed with another key or for
// another use, or was altered.
func (k *Key) Open(sealed, context string) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, version)
	if !ok || len(text) > maxSealedBytes {
		return nil, fault.New(fault.Invalid, "the text is not sealed in a known way")
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the sealed text is damaged")
	}
	plain, err := k.aead.Open(nil, nil, box, []byte(context))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the text was sealed with another secret key")
	}
	return plain, nil
}

// String hides the key from every formatter.
func (k *Key) String() string { return redacted }

// GoString hides the key from %#v.
func (k *Key) GoString() string { return redacted }
