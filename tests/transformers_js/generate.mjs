// Runs a model folder with transformers.js as a user of it would, and writes what came out as JSON.
//
// usage: node generate.mjs NODE_MODULES REQUEST.json ANSWER.json
// REQUEST: {"folder", "runs": {name: run}}, a run being
//   {"inputs": {name: {"type", "dims", "data": [...]}}}: what a processor would give, or
//   {"text", "image": {"width", "height", "data"}, "sound": [...]}: what the folder's own processor is given;
//   {"max_new_tokens"}: with either of them
// ANSWER: {name: {"tokens": the new ones, "logits": those after the prompt, "inputs": what the model was given}}

import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [nodeModules, requestFile, answerFile] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(nodeModules, 'placeholder.js')));
const { AutoModelForImageTextToText, AutoProcessor, RawImage, Tensor, env } = require('@huggingface/transformers');

const request = JSON.parse(readFileSync(requestFile, 'utf8'));
env.allowRemoteModels = false;
env.localModelPath = dirname(request.folder);
const name = basename(request.folder);

const arrays = {
    int64: (data) => BigInt64Array.from(data.map(BigInt)),
    float32: (data) => Float32Array.from(data),
    bool: (data) => Uint8Array.from(data.map(Number)),
};

// the classes and the precision come from the folder: nobody who uses one of ours has to name them
const model = await AutoModelForImageTextToText.from_pretrained(name, { local_files_only: true });

async function inputsOf(run) {
    if (run.inputs) {
        return Object.fromEntries(
            Object.entries(run.inputs).map(([key, { type, dims, data }]) => [
                key,
                new Tensor(type, arrays[type](data), dims),
            ]),
        );
    }
    const processor = await AutoProcessor.from_pretrained(name, { local_files_only: true });
    const { width, height, data } = run.image;
    const image = new RawImage(Uint8ClampedArray.from(data), width, height, 3);
    const given = await processor(run.text, image, Float32Array.from(run.sound), { add_special_tokens: false });
    return { ...given, class: undefined };
}

const answer = {};
for (const [label, run] of Object.entries(request.runs)) {
    const inputs = Object.fromEntries(
        Object.entries(await inputsOf(run)).filter(([, value]) => value instanceof Tensor),
    );
    const { logits } = await model({ ...inputs });
    const output = await model.generate({ ...inputs, max_new_tokens: run.max_new_tokens, do_sample: false });
    const length = inputs.input_ids.dims[1];
    answer[label] = {
        tokens: Array.from(output.tolist()[0], Number).slice(length),
        logits: Array.from(logits.data.slice(-logits.dims.at(-1))),
        inputs: run.inputs
            ? {}
            : Object.fromEntries(
                  Object.entries(inputs).map(([key, value]) => [
                      key,
                      { type: value.type, dims: value.dims, data: Array.from(value.data, Number) },
                  ]),
              ),
    };
}
writeFileSync(answerFile, JSON.stringify({ class: model.constructor.name, runs: answer }));
