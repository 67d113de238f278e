/** Closes the channel to the shared services and waits until they have stopped. */
export default async function tearDown() {
  const services = globalThis.sharedServices;
  if (!services || services.exitCode !== null) return;
  const exited = new Promise((resolve) => services.once('exit', resolve));
  services.disconnect();
  await exited;
}
