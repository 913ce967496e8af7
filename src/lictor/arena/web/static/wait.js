// Reloads a submission's page until it is graded.
"use strict";
setTimeout(() => location.reload(), 2000);
