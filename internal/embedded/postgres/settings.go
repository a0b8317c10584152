package postgres

import (
	"fmt"
	"runtime"

	"github.com/tocsin-dev/tocsin/internal/machine"
)

// settings are the server's parameters, given on its command line so that a new release of ours
// brings its own. Scratch clusters trade durability for speed.
func settings(socketDir, walCompression string, scratch bool) []string {
	memory := machine.Memory()
	list := []string{
		"listen_addresses=", // the socket is enough, and nobody else can reach it
		"unix_socket_directories=" + socketDir,
		"unix_socket_permissions=0777", // the directory and the password guard it
		"password_encryption=scram-sha-256",
		fmt.Sprintf("max_connections=%d", max(50, 15*runtime.GOMAXPROCS(0))),    // four services of 3 per processor, and room for the operator
		fmt.Sprintf("shared_buffers=%dMB", min(max(memory/16, 64), 512)),        // modest: the page cache does the rest
		fmt.Sprintf("effective_cache_size=%dMB", min(max(memory/2, 256), 8192)), // what the planner may expect of that cache
		"work_mem=8MB",
		"maintenance_work_mem=64MB",
		"huge_pages=try",
		"jit=off",                              // short statements; compiling them costs more than it saves
		"random_page_cost=1.1",                 // solid-state disks
		"wal_compression=" + walCompression,    // smaller WAL, fewer bytes to sync
		"max_wal_size=48MB",                    // WAL on disk stays near this; no gain in rate was measured with more
		"min_wal_size=32MB",                    // two segments, the least there can be
		"checkpoint_timeout=10min",             // by size under load, by time otherwise
		"checkpoint_completion_target=0.9",     // spread the writes
		"wal_buffers=8MB",                      // a whole batch commits in one write
		"wal_level=replica",                    // base backups and archiving stay possible
		"max_wal_senders=4",                    // for pg_basebackup
		"bgwriter_delay=50ms",                  // back ends seldom write pages themselves
		"autovacuum_naptime=5s",                // hot rows are updated many times a second, and their dead versions are disk
		"autovacuum_vacuum_scale_factor=0.05",  // vacuum often and little
		"autovacuum_vacuum_cost_limit=1000",    // and quickly
		"autovacuum_analyze_scale_factor=0.05", // statistics follow growth
		"log_line_prefix=%m [%p] ",             // time and process
		"log_min_duration_statement=1000",      // slow statements, without their parameters
		"log_parameter_max_length=0",           // payloads stay out of logs
		"log_parameter_max_length_on_error=0",  // likewise
		"log_checkpoints=off",                  // they are frequent by design
		"checkpoint_warning=0",                 // likewise
		"log_error_verbosity=terse",            // no DETAIL lines with row contents
		"log_min_error_statement=panic",        // nor statements with literals
		"timezone=UTC", "log_timezone=UTC", "datestyle=ISO",
	}
	if scratch {
		return append(list, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
	}
	return append(list, "fsync=on", "synchronous_commit=on", "full_page_writes=on")
}
