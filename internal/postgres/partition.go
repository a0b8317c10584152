package postgres

import "sync"

type partitions struct {
	mu    sync.Mutex
	known map[string]bool
}
