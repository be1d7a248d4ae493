import { create } from 'filepond';
import 'filepond/dist/filepond.css';
import { place, receive } from './received.js';

const pond = create(place(), {
  allowMultiple: true,
  onaddfile: (error, item) => {
    if (!error) receive([item.file]);
  },
});
pond.element.dataset.testid = 'zone';
