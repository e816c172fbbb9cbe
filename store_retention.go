package main

import "time"

// retention says how much history a job keeps unless its definition says otherwise.
type retention struct {
	runs   int           // newest ended runs per job, 0 = no limit
	period time.Duration // 0 = no limit
}
