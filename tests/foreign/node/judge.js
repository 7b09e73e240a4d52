// Judges single proofs with the code of npm's @sigstore/verify: note, signature, inclusion.
//
//     node judge.js NAME SPKI_BASE64 KEY_ID_HEX FOLDER…     each folder holds entry and tlog-proof
'use strict';
const { createPublicKey } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { createRequire } = require('node:module');

const modules = createRequire(join(process.env.JUDGE_MODULES, 'package.json'));
const { verifyTLogInclusion } = modules('@sigstore/verify/dist/tlog');

const [name, spki, keyId, ...folders] = process.argv.slice(2);
const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
const log = { logID: Buffer.from(keyId, 'hex'), publicKey, baseURL: name };

function judge(folder) {
  const proof = readFileSync(join(folder, 'tlog-proof'), 'utf8');
  const split = proof.indexOf('\n\n');
  const [header, index, ...hashes] = proof.slice(0, split).split('\n');
  if (header !== 'c2sp.org/tlog-proof@v1') throw new Error('no tlog-proof');
  const inclusionProof = {
    logIndex: index.slice('index '.length),
    hashes: hashes.map((hash) => Buffer.from(hash, 'base64')),
    checkpoint: { envelope: proof.slice(split + 2) },
  };
  verifyTLogInclusion({ inclusionProof, canonicalizedBody: readFileSync(join(folder, 'entry')) }, [log]);
}

for (const folder of folders) {
  try {
    judge(folder);
    console.log(`accepted\t${folder}\t`);
  } catch (error) {
    console.log(`refused\t${folder}\t${error.message}`);
  }
}
