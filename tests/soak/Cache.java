// SPDX-License-Identifier: GPL-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.Random;

/**
 * A cache in memory, in Java; takes the commands that cache.c takes. Objects are arrays
 * of 4 to 64 KiB. When most are thrown away, "-Dgc=now" has the collector run; without
 * it that is left to the collector.
 */
public class Cache {
	static final int SLOTS = 12288, THREADS = 2, SMALLEST = 4 << 10, LARGEST = 64 << 10;
	static final int KEPT_OF = 512, INTERVAL_MILLIS = 10000, PAUSE_MILLIS = 4;

	static final byte[][] objects = new byte[SLOTS][];
	static final byte[] sinks = new byte[THREADS];

	static class Worker extends Thread {
		final int number;
		final Random random;
		final long until;
		long[] taken = new long[1 << 12];
		int n;

		Worker(int number, Random random, long until) {
			this.number = number;
			this.random = random;
			this.until = until;
		}

		void request() {
			int slot = number * (SLOTS / THREADS) + random.nextInt(SLOTS / THREADS);
			if (random.nextBoolean())
				objects[slot] = object(slot, random);
			for (int at = 0; at < objects[slot].length; at += 64)
				sinks[number] += objects[slot][at];
		}

		@Override
		public void run() {
			while (System.nanoTime() < until) {
				long start = System.nanoTime();
				request();
				if (n == taken.length)
					taken = Arrays.copyOf(taken, 2 * n);
				taken[n++] = (System.nanoTime() - start) / 1000;
				try {
					Thread.sleep(PAUSE_MILLIS);
				} catch (InterruptedException e) {
					return;
				}
			}
		}
	}

	static byte[] object(int slot, Random random) {
		byte[] made = new byte[SMALLEST + random.nextInt(LARGEST - SMALLEST)];
		for (int at = 0; at < made.length; at += 64)
			made[at] = (byte)slot;
		return made;
	}

	static void report(Worker[] workers) {
		int n = 0;
		for (Worker worker : workers)
			n += worker.n;
		long[] all = new long[n];
		int at = 0;
		for (Worker worker : workers) {
			System.arraycopy(worker.taken, 0, all, at, worker.n);
			at += worker.n;
		}
		if (n == 0)
			return;
		Arrays.sort(all);
		System.out.println("latency " + n + " " + all[n / 2] + " " + all[(int)(n * 99L / 100)] +
				   " " + all[(int)(n * 999L / 1000)] + " " + all[n - 1]);
	}

	static void busy(double seconds, Random[] randoms) throws InterruptedException {
		long end = System.nanoTime() + (long)(seconds * 1e9);
		while (System.nanoTime() < end) {
			long until = Math.min(end, System.nanoTime() + INTERVAL_MILLIS * 1000000L);
			Worker[] workers = new Worker[THREADS];
			for (int i = 0; i < THREADS; i++) {
				workers[i] = new Worker(i, randoms[i], until);
				workers[i].start();
			}
			for (Worker worker : workers)
				worker.join();
			report(workers);
		}
	}

	static void fill(Random random) {
		for (int slot = 0; slot < SLOTS; slot++)
			if (objects[slot] == null)
				objects[slot] = object(slot, random);
	}

	static void flush() {
		for (int slot = 0; slot < SLOTS; slot++)
			if (slot % KEPT_OF != 0)
				objects[slot] = null;
		if ("now".equals(System.getProperty("gc")))
			System.gc();
	}

	public static void main(String[] arguments) throws IOException, InterruptedException {
		Random[] randoms = new Random[THREADS];
		for (int i = 0; i < THREADS; i++)
			randoms[i] = new Random(i + 1);
		BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
		String line;
		while ((line = lines.readLine()) != null) {
			if (line.equals("fill")) {
				fill(randoms[0]);
			} else if (line.equals("flush")) {
				flush();
			} else if (line.startsWith("busy ")) {
				busy(Double.parseDouble(line.substring(5)), randoms);
			} else {
				System.err.println("Cache: what is " + line);
				System.exit(1);
			}
			System.out.println("done");
		}
	}
}
