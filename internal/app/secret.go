package app

import "github.com/tocsin-dev/tocsin/internal/seal"

// SecretKey is the key that credentials of alert destinations are sealed with: the one of the
// settings, else the one in secret.key of the data folder, which is made when it is missing.
// fault.Invalid: the setting is not a key.
func (k *Kit) SecretKey() (*seal.Key, error) {
	return seal.Choose(k.Config.SecretKey.Reveal(), k.Config.Data)
}
