//! Several futures of one task, side by side.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// What the futures come to, in their order, once all have. Each wake-up polls all that have not ended: for few.
pub(crate) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut going: Vec<Option<Pin<Box<F>>>> =
        futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut ended: Vec<Option<F::Output>> = going.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, ended) in going.iter_mut().zip(&mut ended) {
            if let Some(Poll::Ready(output)) = future.as_mut().map(|future| future.as_mut().poll(context)) {
                (*ended, *future) = (Some(output), None);
            }
        }
        if going.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ended.into_iter().map(|output| output.expect("all have ended")).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn all_are_begun_before_one_has_ended_and_results_come_in_order() {
        let mut polls = [0; 4];
        {
            // The last ends first.
            let futures = polls.iter_mut().enumerate().map(|(number, polls)| {
                poll_fn(move |_| {
                    *polls += 1;
                    if *polls + number > 3 { Poll::Ready(number) } else { Poll::Pending }
                })
            });
            let mut all = pin!(together(futures));
            let mut context = Context::from_waker(Waker::noop());
            assert!((0..3).all(|_| all.as_mut().poll(&mut context).is_pending()));
            assert_eq!(all.as_mut().poll(&mut context), Poll::Ready(vec![0, 1, 2, 3]));
        }
        assert_eq!(polls, [4, 3, 2, 1], "what has ended is not polled again");
    }
}
