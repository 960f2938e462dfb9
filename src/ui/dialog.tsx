/** Questions that are asked before anything else goes on. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface DialogProps {
  readonly open: boolean;
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A modal dialog: Escape and a click outside close it, and the browser keeps the focus inside. */
export function Dialog({ open, title, onClose, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) element.current?.showModal();
    else element.current?.close();
  }, [open]);
  return (
    <dialog
      ref={element}
      class="dialog"
      aria-label={title}
      onClose={onClose}
      onPointerDown={(event) => event.target === element.current && onClose()}
    >
      <div class="sheet">
        <h2>{title}</h2>
        {open && children}
      </div>
    </dialog>
  );
}

export interface EraseDialogProps {
  readonly open: boolean;
  readonly title: string;
  /** What will be gone. */
  readonly warning: string;
  /** What the button does. */
  readonly action: string;
  readonly onErase: () => void;
  readonly onClose: () => void;
}

/** Asks before something is erased for good. */
export function EraseDialog(props: EraseDialogProps): JSX.Element {
  const { open, title, warning, action, onErase, onClose } = props;
  const erase = (): void => {
    onErase();
    onClose();
  };
  return (
    <Dialog open={open} title={title} onClose={onClose}>
      <p>{warning}</p>
      <div class="choices">
        <button type="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" class="main danger" onClick={erase}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
