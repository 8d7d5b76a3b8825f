/** `saekit serve`: the dashboard of a pack, on localhost. */
import { Command } from 'commander';
import { dashboardServer, openInBrowser } from '../dashboard-server.js';
import { collect, whole } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';

interface ServeFlags {
  readonly port?: number;
  readonly host: string;
  readonly open: boolean;
  readonly plugin?: string[];
  readonly json?: boolean;
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('Serve the dashboard of a pack on this machine.')
    .argument('<pack>', 'folder of a pack')
    .option('--port <n>', 'port (default: 8080 or the next free one; 0 for any)', whole(0, 65535))
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option('--no-open', 'do not open a browser')
    .option('--plugin <file>', "a plugin module whose panel the dashboard shows (repeatable)", collect)
    .option('--json', 'print one JSON object {url, pack} on stdout once it listens, and nothing else')
    .addHelpText('after', `\nExamples:\n  saekit serve pack/\n  saekit serve pack/ --port 9000 --no-open\n  saekit serve pack/ --plugin examples/plugin/plugin.js`)
    .action(async (pack: string, flags: ServeFlags) => {
      const signal = stopSignal();
      const server = await dashboardServer({ pack, port: flags.port, host: flags.host, plugins: flags.plugin ?? [] });
      if (flags.json === true) printJson({ url: server.url, pack });
      else print(`saekit: dashboard of ${pack} at ${server.url}   (Ctrl-C stops it)`);
      if (flags.open) openInBrowser(server.url);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve());
      });
      await server.close();
    });
}
