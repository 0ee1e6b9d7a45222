"""Quayside, a small product for trading companies: members, documents, customers, API keys, and their audit log.

| module      | has                                                                    | copy it |
|-------------|------------------------------------------------------------------------|---------|
| `audit`     | all that speaks to Indelible                                           | yes     |
| `actions`   | what people do, each with the line that logs it                        | to read |
| `visitors`  | who is signed in, and what an event says of it                         | to read |
| `pages`     | the pages; the one with the audit log is `audit_log`                   | to read |
| `static/audit-log.js` | renews the viewer's token                                    | yes     |
| `workspace` | the product's data, in memory                                          |         |
| `html`, `app`, `__main__` | templates; headers and routes; the server                |         |
"""
