(() => {
  // The cache is read from wherever this page was: a mirror of the bucket shows its own address.
  if (location.protocol.startsWith('http')) {
    const here = new URL('.', location.href).href.replace(/\/$/, '');
    for (const url of document.querySelectorAll('[data-url]')) url.textContent = here;
  }

  const units = [['day', 86400], ['hour', 3600], ['minute', 60]];
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  for (const time of document.querySelectorAll('time')) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = units.find(u => Math.abs(seconds) >= u[1]) ?? units[2];
    time.title = time.textContent;
    time.textContent = words.format(Math.round(seconds / size), unit);
  }

  const button = document.getElementById('copy');
  const text = document.getElementById('nix-conf');
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Without TLS there is no clipboard to write to: as a person would do it.
      getSelection().selectAllChildren(text);
      document.execCommand('copy');
    }
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
})();
