/** Exit code 0 when the service in this container is ready. */
const answer = await fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/health/ready`).catch((error) => error);
if (answer.status !== 200) {
  process.stderr.write(`${answer instanceof Error ? answer.message : await answer.text()}\n`);
  process.exitCode = 1;
}
