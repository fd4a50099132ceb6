/** The HTML of productpage. */
export interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars?: number; readonly color?: string; readonly error?: string };
}

export interface Book {
  readonly title: string;
  readonly user: string | undefined;
  readonly details: Readonly<Record<string, string | number>> | undefined;
  readonly reviews: { readonly podname: string; readonly reviews: readonly Review[] } | undefined;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? '');

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
header{display:flex;justify-content:space-between;align-items:center;border-bottom:1px solid #8886}
main{display:grid;grid-template-columns:1fr 1fr;gap:2rem}@media(max-width:40rem){main{grid-template-columns:1fr}}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem}dt{opacity:.7}blockquote{margin:0 0 1rem;padding-left:1rem;border-left:3px solid #8886}
.red{color:#d33}.error{color:#c60}form{display:inline-flex;gap:.5rem}`;

function stars(rating: Review['rating']): string {
  if (rating === undefined) return '';
  if (rating.error !== undefined) return `<p class="error">${escape(rating.error)}</p>`;
  const count = Math.max(0, Math.min(5, rating.stars ?? 0));
  return `<p class="${rating.color === 'red' ? 'red' : 'black'}" aria-label="${count} of 5 stars">${'★'.repeat(count)}${'☆'.repeat(5 - count)}</p>`;
}

function reviewsPart(reviews: Book['reviews']): string {
  if (reviews === undefined)
    return '<h2>Error fetching product reviews!</h2><p class="error">Sorry, product reviews are currently unavailable for this book.</p>';
  const list = reviews.reviews.map(
    (review) =>
      `<blockquote><p>${escape(review.text)}</p><footer>${escape(review.reviewer)}</footer>${stars(review.rating)}</blockquote>`,
  );
  return `<h2>Book Reviews</h2>${list.join('')}<p>Reviews served by: ${escape(reviews.podname)}</p>`;
}

function detailsPart(details: Book['details']): string {
  if (details === undefined)
    return '<h2>Error fetching product details!</h2><p class="error">Sorry, product details are currently unavailable for this book.</p>';
  const rows = Object.entries(details)
    .filter(([name]) => name !== 'id')
    .map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(String(value))}</dd>`);
  return `<h2>Book Details</h2><dl>${rows.join('')}</dl>`;
}

function account(user: string | undefined): string {
  if (user === undefined)
    return '<form method="post" action="/login"><label>User <input name="username" required autocomplete="username"></label><input type="hidden" name="password" value=""><button>Sign in</button></form>';
  return `<span>${escape(user)} (<a href="/logout">sign out</a>)</span>`;
}

export function renderPage(book: Book): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Simple Bookstore App</title><style>${STYLE}</style></head>
<body><header><h1>${escape(book.title)}</h1>${account(book.user)}</header><main><section>${detailsPart(book.details)}</section><section>${reviewsPart(book.reviews)}</section></main></body></html>`;
}
