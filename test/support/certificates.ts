import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Certificates and keys in PEM, and the paths of their files. */
export interface Signed {
  readonly cert: string;
  readonly key: string;
  readonly certPath: string;
  readonly keyPath: string;
}

/** An authority of one's own, gone with its directory. */
export class Authority {
  readonly dir = mkdtempSync(join(tmpdir(), 'keylane-ca-'));
  readonly ca: Signed;

  constructor() {
    this.ca = this.#make('ca', ['-x509', '-addext', 'basicConstraints=critical,CA:TRUE']);
  }

  /** `names` as openssl has them: `DNS:a.example`, `IP:127.0.0.1`. Days from now; less than 0 for one that has expired. */
  issue(name: string, names: readonly string[], days = 2): Signed {
    const { dir, ca } = this;
    const request = join(dir, `${name}.csr`);
    const signed = this.#make(name, ['-out', request]);
    const extensions = join(dir, `${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
    const valid =
      days < 0 ? ['-not_before', '20200101000000Z', '-not_after', '20200102000000Z'] : ['-days', String(days)];
    const by = days < 0 ? this.#expired(request, signed.certPath, extensions) : undefined;
    if (!by)
      openssl(
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca.certPath,
        '-CAkey',
        ca.keyPath,
        '-CAcreateserial',
        '-extfile',
        extensions,
        '-out',
        signed.certPath,
        ...valid,
      );
    return { ...signed, cert: readFileSync(signed.certPath, 'utf8') };
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** openssl 3.0 takes dates in `ca` only. */
  #expired(request: string, out: string, extensions: string): true {
    const { dir, ca } = this;
    const config = join(dir, 'ca.cnf');
    writeFileSync(join(dir, 'index.txt'), '');
    writeFileSync(join(dir, 'serial'), '1000\n');
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${dir}/index.txt\nserial=${dir}/serial\nnew_certs_dir=${dir}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n`,
    );
    openssl(
      'ca',
      '-batch',
      '-config',
      config,
      '-cert',
      ca.certPath,
      '-keyfile',
      ca.keyPath,
      '-in',
      request,
      '-out',
      out,
      '-extfile',
      extensions,
      '-startdate',
      '20200101000000Z',
      '-enddate',
      '20200102000000Z',
      '-notext',
    );
    return true;
  }

  #make(name: string, args: readonly string[]): Signed {
    const certPath = join(this.dir, `${name}.pem`);
    const keyPath = join(this.dir, `${name}.key`);
    const out = args.includes('-out') ? [] : ['-out', certPath, '-days', '2'];
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      keyPath,
      ...out,
      ...args,
    );
    const cert = args.includes('-out') ? '' : readFileSync(certPath, 'utf8');
    return { cert, key: readFileSync(keyPath, 'utf8'), certPath, keyPath };
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
