import Uppy from '@uppy/core';
import '@uppy/core/css/style.min.css';
import Dashboard from '@uppy/dashboard';
import '@uppy/dashboard/css/style.min.css';
import { place, receive } from './received.js';

const target = place();
const uppy = new Uppy().use(Dashboard, { target, inline: true });
uppy.on('files-added', (files) => receive(files.map((file) => file.data)));
target.dataset.testid = 'zone';
