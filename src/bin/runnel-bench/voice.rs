//! A publisher's conversation, by RTMP or RTSP.

use runnel::budget::Account;
use runnel::proto::Machine;
use runnel::proto::rtmp::{Client, ClientEvent, Role};

use crate::failed::Failed;
use crate::file::{Media, Message};
use crate::link::Link;
use crate::play::MAX_MESSAGE;
use crate::rtsp::Publish;
use crate::target::{Scheme, Target};

/// A publisher's side of a conversation.
pub enum Voice {
    Rtmp(Box<Client>),
    Rtsp(Box<Publish>),
}

impl Voice {
    /// Ready when the server lets it publish.
    pub async fn connect(link: &mut Link, target: &Target, number: usize, media: &Media) -> Result<Self, Failed> {
        if target.scheme == Scheme::Rtsp {
            return Ok(Self::Rtsp(Box::new(Publish::connect(link, &target.url()?, &media.tracks).await?)));
        }
        let account = Account::root("session", usize::MAX);
        let mut client = Client::new(Role::Publish, target.rtmp(), MAX_MESSAGE, number as u64, account);
        let mut started = false;
        while !started {
            link.turn(&mut client, |event| {
                started |= event == ClientEvent::Started;
                not_refused(event)
            })
            .await?;
        }
        Ok(Self::Rtmp(Box::new(client)))
    }

    /// Sends the messages that go before the first frame.
    pub fn begin(&mut self, media: &Media, timestamp: u32) {
        if let Self::Rtmp(client) = self {
            media.head.iter().for_each(|message| client.send_media(message.kind, timestamp, &message.body));
        }
    }

    /// Sends a frame; if `stamped`, the frame itself tells the time at which it is due.
    pub fn say(&mut self, media: &Media, message: &Message, timestamp: u32, stamped: bool) {
        match self {
            Self::Rtmp(client) if stamped => {
                client.send_media(message.kind, timestamp, &message.stamped(&media.tracks, timestamp));
            }
            Self::Rtmp(client) => client.send_media(message.kind, timestamp, &message.body),
            Self::Rtsp(publish) => {
                if let Some(frame) = &message.frame {
                    publish.say(&media.tracks, frame, timestamp, stamped);
                }
            }
        }
    }

    /// Reads the server's messages.
    pub fn listen(&mut self, link: &mut Link) -> Result<(), Failed> {
        match self {
            Self::Rtmp(client) => {
                while link.read(&mut **client, not_refused)?.is_some() {}
                Ok(())
            }
            Self::Rtsp(publish) => publish.listen(link),
        }
    }

    /// The buffer of bytes to be sent.
    pub fn transmit(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Rtmp(client) => client.transmit(),
            Self::Rtsp(publish) => publish.transmit(),
        }
    }
}

fn not_refused(event: ClientEvent) -> Result<(), Failed> {
    match event {
        ClientEvent::Refused(why) | ClientEvent::Moved(why) => Err(Failed::server(format!("refused: {why}"))),
        _ => Ok(()),
    }
}
