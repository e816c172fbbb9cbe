package main

import (
	"context"
	"errors"
	"fmt"
)

// imported is what became of one job of an import.
type imported struct {
	Job     *Job
	Created bool
}

// ImportError tells which job of an import could not be stored. Nothing of the import was.
type ImportError struct {
	Index int
	Err   error
}

func (e *ImportError) Error() string { return fmt.Sprintf("job %d: %v", e.Index+1, e.Err) }

// Unwrap gives the reason.
func (e *ImportError) Unwrap() error { return e.Err }

// importBatch jobs are stored in one go before the transaction is judged too long for those who wait behind it.
const importBatch = 10_000

// ImportJobs stores all the jobs, or none, in one transaction. Its error is an *ImportError where it is about one of them.
func (s *Store) ImportJobs(ctx context.Context, jobs []NewJob) (list []imported, err error) {
	if len(jobs) > importBatch {
		return nil, fmt.Errorf("%w: at most %d jobs can be imported at one time", errTooMany, importBatch)
	}
	err = s.change(ctx, func(t *tx) error {
		list = list[:0]
		for i, n := range jobs {
			j, created, err := t.put(n)
			switch {
			case err == nil:
			case ofTheDisk(err) || errors.Is(err, errDryRun):
				return err
			default:
				return &ImportError{i, err}
			}
			list = append(list, imported{j, created})
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return list, err // of a dry run: what would have become of them
}
