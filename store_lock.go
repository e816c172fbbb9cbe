package main

import (
	"fmt"
	"os"
)

// inUse says which process has the database.
func inUse(holder string) error {
	if holder == "" {
		holder = "unknown"
	}
	return fmt.Errorf("another teiki process has it open (pid %s): stop that one, or use another -db", holder)
}

// writePID leaves this process's id in the lock file, for the message of the next one.
func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}
