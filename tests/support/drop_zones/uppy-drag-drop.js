import Uppy from '@uppy/core';
import DragDrop from '@uppy/drag-drop';
import '@uppy/core/css/style.min.css';
import '@uppy/drag-drop/css/style.min.css';
import { place, receive } from './received.js';

const target = place();
const uppy = new Uppy().use(DragDrop, { target });
uppy.on('files-added', (files) => receive(files.map((file) => file.data)));
target.querySelector('.uppy-DragDrop-container').dataset.testid = 'zone';
