import { defineConfig } from 'vite';

// One script and one style sheet, named by their contents: the node lets browsers keep them for ever.
export default defineConfig({
  build: {
    target: ['es2021', 'chrome100', 'firefox100', 'safari15.4'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: true,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/page-[hash].js',
        assetFileNames: 'assets/page-[hash][extname]',
      },
    },
  },
  // `npm run dev` shows a node on this machine: the page's requests go to it.
  server: { proxy: { '/v1': 'http://127.0.0.1:7748', '/metrics': 'http://127.0.0.1:7748' } },
});
