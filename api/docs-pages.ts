import { ERROR_CODES, ERRORS } from '../domain/errors';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}td,th{text-align:left;padding:.3rem .6rem;vertical-align:top;border-bottom:1px solid #ddd}code{background:#f3f3f3;padding:.1rem .3rem}';

/** The reference that people read, over `/openapi.json`. */
export function referencePage(): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sluice API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head><body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, docExpansion: 'list', defaultModelsExpandDepth: 0 });</script>
</body></html>`;
}

/** What a problem's \`type\` points at. */
export function errorsPage(): string {
  const rows = ERROR_CODES.map((code) => {
    const { status, title, retryable, hint } = ERRORS[code];
    return `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td><td>${retryable ? 'yes' : 'no'}</td><td>${hint}</td></tr>`;
  });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sluice errors</title><style>${STYLE}</style></head>
<body><h1>Errors</h1><table><tr><th>code</th><th>status</th><th>title</th><th>retry?</th><th>what to do</th></tr>${rows.join('')}</table></body></html>`;
}
