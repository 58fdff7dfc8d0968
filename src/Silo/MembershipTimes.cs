using Orleans.Configuration;

namespace OrleansCache.Silo;

/// <summary>How soon a lost silo is declared dead, and how long a slow one may be silent.</summary>
internal static class MembershipTimes
{
    public static void Tune(ISiloBuilder silo)
    {
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            // While answers are quick, probes follow each other within MinProbeTimeout. A killed process closes its connections, so three
            // probes fail at once, and it is out within two seconds. A silo that does not answer keeps its connections, and no vote counts
            // until they were silent for three times MaxProbeTimeout. So a slow silo has nine seconds to say anything at all, and is out
            // well before fifteen.
            membership.ProbeTimeout = TimeSpan.FromSeconds(1);
            membership.MinProbeTimeout = TimeSpan.FromMilliseconds(500);
            membership.MaxProbeTimeout = TimeSpan.FromSeconds(3);
            membership.NumMissedProbesLimit = 3;
            membership.NumVotesForDeathDeclaration = 2;
            // A silo that missed a gossip reads the table this often.
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
            // An entry without a heartbeat for 30 s holds up nobody: a cluster that was killed as a whole starts again in half a minute.
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(10);
            membership.NumMissedTableIAmAliveLimit = 3;
        });
        // A call to a lost silo fails before a client's patience ends.
        var patience = TimeSpan.FromSeconds(10);
        silo.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = messaging.SystemResponseTimeout = patience);
        silo.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = patience);
    }
}
