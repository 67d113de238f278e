type Listener = (key: string, failed: boolean) => void;

/**
 * Tells the step lane of this process how triggers' calls to a function end, so that they probe for people who wait. It is news and
 * nothing else: the lanes share no circuit, and a step waits for none of it.
 */
export class TriggerVerdicts {
  private listener: Listener = () => undefined;

  listen(listener: Listener): void {
    this.listener = listener;
  }

  tell(key: string, failed: boolean): void {
    this.listener(key, failed);
  }
}
