// Keeps a page true: it is sent again whenever something in it has changed, and only what differs is touched, so that
// focus, selection and opened parts stay. Without it the pages work, and are as old as they were loaded.
'use strict';

(() => {
  const page = document.getElementById('page');
  const sign = document.getElementById('live');
  const {live, lost, found} = document.body.dataset;

  // sameAs says whether a node stands for the same part of the page as another.
  const sameAs = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName &&
    (a.nodeType !== Node.ELEMENT_NODE || (a.id === b.id && a.getAttribute('data-key') === b.getAttribute('data-key')));

  const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE && node.hasAttribute('data-key') && node.nodeName + ' ' + node.getAttribute('data-key');

  // become makes a node what another is.
  const become = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.hasAttribute('data-keep') && to.hasAttribute('data-keep')) return; // somebody may be writing there
    for (const {name} of [...from.attributes]) {
      if (!to.hasAttribute(name) && !(name === 'open' && from.nodeName === 'DETAILS') && name !== 'title') from.removeAttribute(name);
    }
    for (const {name, value} of to.attributes) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    const keyed = new Map();
    for (const child of from.children) {
      if (keyOf(child)) keyed.set(keyOf(child), child);
    }
    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const known = keyOf(wanted) && keyed.get(keyOf(wanted));
      if (known && known !== at) {
        from.insertBefore(known, at);
        at = known;
      }
      if (at && sameAs(at, wanted)) {
        become(at, wanted);
        at = at.nextSibling;
      } else {
        from.insertBefore(wanted, at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  // duration words a number of seconds as the server does: 45s, 12m, 3h05m, 2d4h.
  const duration = (seconds) => {
    const s = Math.max(Math.round(seconds), 0), two = (n) => String(n).padStart(2, '0');
    const minutes = Math.floor(s / 60), hours = Math.floor(s / 3600), days = Math.floor(s / 86400);
    if (s < 60) return s + 's';
    if (s < 600 && s % 60) return minutes + 'm' + two(s % 60) + 's';
    if (s < 3600) return minutes + 'm';
    if (s < 86400) return hours + 'h' + two(minutes % 60) + 'm';
    return days + 'd' + (hours % 24) + 'h';
  };

  const local = new Intl.DateTimeFormat(document.documentElement.lang, {dateStyle: 'medium', timeStyle: 'long'});

  // tick counts on what is counted from or to a moment.
  const tick = () => {
    for (const t of document.querySelectorAll('time[datetime]')) {
      const at = new Date(t.dateTime), away = (at - Date.now()) / 1000;
      if (Number.isNaN(away)) continue;
      if (!t.title) t.title = local.format(at);
      let text = t.textContent;
      if ('since' in t.dataset) text = duration(-away);
      if ('until' in t.dataset) text = t.dataset.until.replace('%s', duration(away));
      if (text !== t.textContent) t.textContent = text;
    }
  };
  tick();
  setInterval(tick, 1000);

  const say = (alive) => {
    if (!sign) return;
    const text = alive ? found : lost;
    if (sign.textContent !== text) sign.textContent = text;
    sign.classList.toggle('lost', !alive);
  };

  if (!live) return;
  let source, again;
  const follow = () => {
    clearTimeout(again);
    source = new EventSource(live);
    source.addEventListener('open', () => say(true));
    source.addEventListener('page', (event) => {
      const {title, html} = JSON.parse(event.data);
      document.title = title;
      const fresh = new DOMParser().parseFromString('<main id="page" tabindex="-1">' + html + '</main>', 'text/html');
      become(page, fresh.getElementById('page'));
      tick();
      say(true);
    });
    source.addEventListener('error', () => {
      say(false);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(follow, 2000); // it gives up when it is refused
    });
  };
  follow();
  // A page that the browser keeps must not hold its stream.
  addEventListener('pagehide', () => { clearTimeout(again); source.close(); });
  addEventListener('pageshow', (event) => { if (event.persisted) follow(); });
})();
