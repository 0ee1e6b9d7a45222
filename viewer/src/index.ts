import { AuditLog } from './audit-log';
import { define } from './part';

define('audit-log', AuditLog);

export { AuditLog };
