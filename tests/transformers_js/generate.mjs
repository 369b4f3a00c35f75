// Generates greedily with transformers.js and prints the new tokens as JSON.
//
// usage: node generate.mjs NODE_MODULES REQUEST.json
// REQUEST: {"folder", "media": bool, "max_new_tokens", "inputs": {name: {"type", "dims", "data": [...]}}}

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [nodeModules, requestFile] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(nodeModules, 'placeholder.js')));
const { AutoModelForCausalLM, AutoModelForImageTextToText, Tensor, env } = require('@huggingface/transformers');

const request = JSON.parse(readFileSync(requestFile, 'utf8'));
env.allowRemoteModels = false;
env.localModelPath = dirname(request.folder);

const arrays = {
    int64: (data) => BigInt64Array.from(data.map(BigInt)),
    float32: (data) => Float32Array.from(data),
    bool: (data) => Uint8Array.from(data.map(Number)),
};
const inputs = Object.fromEntries(
    Object.entries(request.inputs).map(([name, { type, dims, data }]) => [
        name,
        new Tensor(type, arrays[type](data), dims),
    ]),
);

const auto = request.media ? AutoModelForImageTextToText : AutoModelForCausalLM;
// the precision comes from config.json: nobody who uses a folder of ours has to name it
const model = await auto.from_pretrained(basename(request.folder), { local_files_only: true });
const output = await model.generate({
    ...inputs,
    max_new_tokens: request.max_new_tokens,
    do_sample: false,
});
const length = inputs.input_ids.dims[1];
console.log(JSON.stringify(Array.from(output.tolist()[0], Number).slice(length)));
