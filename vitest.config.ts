import { defineConfig } from 'vitest/config';

/** Tiers that need more than Node are projects of their own, so that each can be run alone and none is skipped silently. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [
            'test/**/*.postgres.test.ts',
            'test/**/*.syslog.test.ts',
            'test/cluster/**',
            'test/support/**',
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'postgres',
          include: ['test/**/*.postgres.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'syslog',
          include: ['test/**/*.syslog.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/support/cluster-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
