import Dropzone from 'dropzone';
import 'dropzone/dist/dropzone.css';
import { place, receive } from './received.js';

const element = place();
element.className = 'dropzone';
element.dataset.testid = 'zone';
const zone = new Dropzone(element, { url: '/submit', autoProcessQueue: false });
zone.on('addedfile', (file) => receive([file]));
