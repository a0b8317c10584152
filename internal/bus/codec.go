package bus

import (
	"encoding"
	"encoding/json"
	"fmt"
)

// encoder writes values of one type: in their own binary form when they have one, else as JSON.
func encoder[T any]() func(b []byte, v *T) ([]byte, error) {
	if _, ok := any((*T)(nil)).(encoding.BinaryAppender); ok {
		return func(b []byte, v *T) ([]byte, error) { return any(v).(encoding.BinaryAppender).AppendBinary(b) }
	}
	return func(b []byte, v *T) ([]byte, error) {
		text, err := json.Marshal(v)
		return append(b, text...), err
	}
}

// decoder reads what encoder wrote. The value may alias the bytes.
func decoder[T any]() func(b []byte, v *T) error {
	if _, ok := any((*T)(nil)).(encoding.BinaryUnmarshaler); ok {
		return func(b []byte, v *T) error { return any(v).(encoding.BinaryUnmarshaler).UnmarshalBinary(b) }
	}
	return func(b []byte, v *T) error {
		if err := json.Unmarshal(b, v); err != nil {
			return fmt.Errorf("read message: %w", err)
		}
		return nil
	}
}
