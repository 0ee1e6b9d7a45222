// Whenever the viewer needs a token, at first and before one ends, it asks for one: of our own backend, which knows
// who is signed in. The token is nowhere but in the element.
document.addEventListener('audit-log-token-needed', async ({ target }) => {
  const answer = await fetch('/workspace/admin/audit-log/token', { method: 'POST' });
  if (answer.status === 401) location.reload(); // signed out meanwhile, in another tab
  if (answer.ok) target.token = (await answer.json()).token;
});
