// Package watch yields settled folders: what a folder holds once nobody is writing to it any more.
//
// It knows no language and no controller. Its consumer says which files count (Options.Match) and, once it has
// read them, what else they depend on (Watcher.Include); it gets a Folder whenever the content of any of these
// differs from what it got before, and never for a touch, an editor's droppings, or a change that was taken back
// before anybody looked.
//
// A notification is only a hint to look: what is yielded is decided by what the look finds. So an editor may
// rename, a symlink may be swapped, events may be lost or overflow, the folder may be removed and made anew or be
// mounted over, and the worst that comes of it is that the change is found by the next poll.
package watch
