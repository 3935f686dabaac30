// SPDX-License-Identifier: GPL-2.0

// A cache in memory, in Go; takes the commands that cache.c takes. Objects are slices
// of 4 to 64 KiB; when most are thrown away, the runtime is asked to return the memory.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"time"
)

const (
	slots    = 12288
	threads  = 2
	smallest = 4 << 10
	largest  = 64 << 10
	keptOf   = 512
	interval = 10 * time.Second
	pause    = 4 * time.Millisecond
)

var (
	objects [slots][]byte
	sinks   [threads]byte
)

func object(slot int, random *rand.Rand) []byte {
	made := make([]byte, smallest+random.Intn(largest-smallest))
	for at := 0; at < len(made); at += 64 {
		made[at] = byte(slot)
	}
	return made
}

func request(thread int, random *rand.Rand) {
	slot := thread*(slots/threads) + random.Intn(slots/threads)
	if random.Intn(2) == 0 {
		objects[slot] = object(slot, random)
	}
	for at := 0; at < len(objects[slot]); at += 64 {
		sinks[thread] += objects[slot][at]
	}
}

func work(thread int, random *rand.Rand, until time.Time, result chan<- []time.Duration) {
	var taken []time.Duration
	for time.Now().Before(until) {
		start := time.Now()
		request(thread, random)
		taken = append(taken, time.Since(start))
		time.Sleep(pause)
	}
	result <- taken
}

func report(taken []time.Duration) {
	n := len(taken)
	if n == 0 {
		return
	}
	sort.Slice(taken, func(i, j int) bool { return taken[i] < taken[j] })
	fmt.Println("latency", n, taken[n/2].Microseconds(), taken[n*99/100].Microseconds(),
		taken[n*999/1000].Microseconds(), taken[n-1].Microseconds())
}

func busy(seconds float64, randoms []*rand.Rand) {
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for time.Now().Before(end) {
		until := time.Now().Add(interval)
		if until.After(end) {
			until = end
		}
		results := make(chan []time.Duration, threads)
		for thread := 0; thread < threads; thread++ {
			go work(thread, randoms[thread], until, results)
		}
		var all []time.Duration
		for thread := 0; thread < threads; thread++ {
			all = append(all, <-results...)
		}
		report(all)
	}
}

func fill(random *rand.Rand) {
	for slot := range objects {
		if objects[slot] == nil {
			objects[slot] = object(slot, random)
		}
	}
}

func flush() {
	for slot := range objects {
		if slot%keptOf != 0 {
			objects[slot] = nil
		}
	}
	debug.FreeOSMemory()
}

func main() {
	var randoms []*rand.Rand
	for thread := 0; thread < threads; thread++ {
		randoms = append(randoms, rand.New(rand.NewSource(int64(thread+1))))
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var seconds float64
		switch line := lines.Text(); {
		case line == "fill":
			fill(randoms[0])
		case line == "flush":
			flush()
		case strings.HasPrefix(line, "busy "):
			if _, err := fmt.Sscanf(line, "busy %g", &seconds); err != nil {
				fmt.Fprintln(os.Stderr, "cache:", line, err)
				os.Exit(1)
			}
			busy(seconds, randoms)
		default:
			fmt.Fprintln(os.Stderr, "cache: what is", line)
			os.Exit(1)
		}
		fmt.Println("done")
	}
}
