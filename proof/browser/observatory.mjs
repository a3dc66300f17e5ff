// Mozilla's HTTP Observatory (its own scanner and grader) looks at pages of ours, as its site does.
//
// The package's `scan` takes no port, so that its steps are taken here one by one. Its list of preloaded sites
// comes from the internet; nobody on it is asked for here, so that an empty one does.
//
// Environment: OBSERVATORY (the package's folder), AMANAH_PORT, NODE_EXTRA_CA_CERTS (the gateway's authority).
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { OBSERVATORY: home, AMANAH_PORT: port } = process.env;
const preloaded = join(home, 'conf/hsts-preload.json');
if (!existsSync(preloaded)) writeFileSync(preloaded, '{}');

const part = (name) => import(join(home, 'src', name));
const { retrieve } = await part('retriever/retriever.js');
const { ALL_TESTS } = await part('constants.js');
const { getGradeForScore, getScoreModifier } = await part('grader/grader.js');
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await part('grader/charts.js');

for (const path of ['/trust', '/_amanah/sign-in']) {
    const seen = await retrieve('localhost', { httpPort: port, httpsPort: port, path });
    if (seen.responses.auto?.status !== 200) throw new Error(`${path}: ${seen.responses.auto?.status}`);
    const results = ALL_TESTS.map((test) => test(seen)).filter(({ result }) => result);
    const scores = results.map(({ result }) => getScoreModifier(result));
    const sum = (list) => list.reduce((a, b) => a + b, 100);
    const plain = sum(scores.filter((score) => score < 0));
    const score = plain >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(scores) : plain;
    const told = results.map(({ result }, n) => `${result} ${scores[n]}`).join(', ');
    console.log(JSON.stringify({ path, grade: getGradeForScore(score).grade, score, told }));
}
