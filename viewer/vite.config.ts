import { createHash } from 'node:crypto';
import { defineConfig, type Plugin } from 'vitest/config';

/** Has the first file pin the others by their hashes, or none: see src/pinned.ts. */
function pins(isServed: boolean): Plugin {
  return {
    name: 'pins',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const hashes = chunks
        .filter(({ isEntry }) => isServed && !isEntry)
        .map(({ fileName, code }) => [
          fileName,
          `sha384-${createHash('sha384').update(code).digest('base64')}`,
        ]);
      for (const chunk of chunks) {
        if (chunk.isEntry)
          chunk.code = chunk.code.replace('__INTEGRITY__', JSON.stringify(Object.fromEntries(hashes)));
      }
    },
  };
}

/**
 * audit-log.js has all that the first rows take; what is opened later, and each language but English, are files beside it.
 * With `--mode service`, the files that the service serves as they are, in build/; else those of the package, in dist/,
 * which a host's bundler writes anew.
 */
export default defineConfig(({ mode }) => ({
  plugins: [pins(mode === 'service')],
  build: {
    outDir: mode === 'service' ? 'build' : 'dist',
    target: 'es2023',
    // Those that know light-dark() by themselves: put in its place, it would not follow the host's color-scheme.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: false,
    // No `lib`: Vite leaves the spaces in what it takes for a library.
    rolldownOptions: {
      input: 'src/index.ts',
      preserveEntrySignatures: 'allow-extension',
      output: { entryFileNames: 'audit-log.js', chunkFileNames: '[name].js' },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['test/**/*.test.ts'],
    // What the package's wrapper loads is built from this, and need not be there for the tests.
    alias: { '../dist/audit-log.js': new URL('src/index.ts', import.meta.url).pathname },
  },
}));
