// Command tocsin runs all four services in one process and is the operator's command line.
package main

import "github.com/tocsin-dev/tocsin/internal/operator"

func main() { operator.Main() }
