// Writes the built page as C++: node embed.mjs OUT.cpp
// Each file twice, as it is and as gzip, so that the node compresses nothing.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const out = process.argv[2];
if (!out) {
  console.error('usage: node embed.mjs OUT.cpp');
  process.exit(2);
}
const dist = join(dirname(fileURLToPath(import.meta.url)), 'dist');

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

function filesBelow(folder, prefix) {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path, `${prefix}${name}/`) : [[`${prefix}${name}`, path]];
    });
}

// A gzip header without time, and with the system "unknown": the same bytes wherever it is built.
function compressed(bytes) {
  const gz = gzipSync(bytes, { level: 9 });
  gz[9] = 255;
  return gz;
}

// Arrays of characters: a compiler need not take string literals of more than 65,536.
function array(name, bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(
      '    ' +
        Array.from(bytes.subarray(at, at + 16), (b) => `'\\${b.toString(8).padStart(3, '0')}',`).join(''),
    );
  }
  return `constexpr char ${name}[] = {\n${lines.join('\n')}\n};\n`;
}

const found = filesBelow(dist, '/');
if (!found.some(([path]) => path === '/index.html')) {
  console.error('web/dist has no index.html: npm run build makes it');
  process.exit(1);
}
const arrays = [];
const entries = [];
found.forEach(([path, file], i) => {
  const type = types[extname(path)];
  if (!type) {
    console.error(`${path}: no media type is known for it; name one in embed.mjs`);
    process.exit(1);
  }
  const bytes = readFileSync(file);
  const gz = compressed(bytes);
  arrays.push(array(`identity_${i}`, bytes), array(`gzip_${i}`, gz));
  const named = path === '/index.html' ? '/' : path;
  entries.push(
    `      {"${named}", "${type}",\n` +
      `       {identity_${i}, sizeof identity_${i}}, {gzip_${i}, sizeof gzip_${i}}, ${named.startsWith('/assets/')}},`,
  );
});

writeFileSync(
  out,
  `// Made by web/embed.mjs from web/dist: change web/src instead.
#include "outlets/http/web_files.h"

namespace qanat::outlets {

namespace {

${arrays.join('\n')}
}  // namespace

std::span<const WebFile> web_files() {
  static constexpr WebFile files[] = {
${entries.join('\n')}
  };
  return files;
}

}  // namespace qanat::outlets
`,
);
