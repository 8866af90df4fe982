"""A few rows for every table of every shipped pipeline, as files: enough to land, too few to train on.

Rows reach into a second partition, so that the first one is complete.
"""

from pathlib import Path

_YES = "1,0,1,0,12,1,No,DSL,No,No,No,No,No,No,Month-to-month,1,Mailed check,29.5,354.0"
_CUSTOMER = (
    "customer,female,senior_citizen,partner,dependents,tenure,phone_service,multiple_lines,internet_service,"
    "online_security,online_backup,device_protection,tech_support,streaming_tv,streaming_movies,contract,"
    "paperless_billing,payment_method,monthly_charges,total_charges,churn"
)

# pipeline → table → (path in the landing folder, content)
FILES: dict[str, dict[str, tuple[str, str]]] = {
    "flight_delay": {
        "flights": (
            "flights/flights_2013.csv",
            "year,month,day,sched_arr_time,arr_delay,dep_delay,carrier,flight,tailnum,origin,dest,distance,minute,"
            "time_hour\n"
            "2013,1,1,819,11,2,UA,1545,N14228,EWR,IAH,1400,15,2013-01-01T10:00:00Z\n"
            "2013,1,20,830,20,4,UA,1714,N24211,LGA,IAH,1416,29,2013-01-20T10:00:00Z\n"
            "2013,2,3,850,33,2,AA,1141,N619AA,JFK,MIA,1089,40,2013-02-03T10:00:00Z\n",
        ),
        "weather": (
            "weather/weather_2013.csv",
            "origin,time_hour,temp,dewp,humid,wind_dir,wind_speed,precip,pressure,visib\n"
            "EWR,2013-01-01T09:00:00Z,39.0,26.1,59.4,270,10.4,0,1012,10\n"
            "JFK,2013-02-03T09:00:00Z,39.0,26.1,59.4,270,10.4,0,1012,10\n",
        ),
        "planes": ("planes.csv", "tailnum,year,manufacturer,seats\nN14228,1999,BOEING,149\nN619AA,1990,BOEING,178\n"),
        "airports": (
            "airports.csv",
            "faa,tzone,lat,lon\nIAH,America/Chicago,29.98,-95.34\nMIA,America/New_York,25.79,-80.29\n",
        ),
    },
    "churn": {
        "customers": (
            "customers/customers_2024.csv",
            f"{_CUSTOMER},taken_at,settled_at\n"
            f"0001,{_YES},No,2024-01-02T10:00:00Z,2024-01-16T10:00:00Z\n"
            f"0002,{_YES},Yes,2024-01-09T10:00:00Z,2024-01-23T10:00:00Z\n",
        ),
        "logins": (
            "logins/logins_2024.csv",
            "login,customer,at\n1,0001,2024-01-02T09:00:00Z\n2,0002,2024-01-09T09:00:00Z\n",
        ),
        "calls": (
            "calls/calls_2024.csv",
            "call,customer,at,noted_at\n1,0001,2024-01-02T08:00:00Z,2024-01-02T08:15:00Z\n",
        ),
        "contracts": ("contracts.csv", "contract,months\nMonth-to-month,1\nOne year,12\n"),
    },
    "churn_snapshot": {"customers_once": ("customers_once.csv", f"{_CUSTOMER}\n0001,{_YES},No\n0002,{_YES},Yes\n")},
    "card_fraud": {
        "payments": (
            "payments/payments_2024.csv",
            "card,number,paid_at,cleared_at,amount,merchant,country\n"
            "c001,1,2024-05-01T00:10:00.000000Z,2024-05-01T00:11:30.000000Z,12.5,m01,DE\n"
            "c001,2,2024-05-01T01:10:00.000000Z,2024-05-01T01:11:30.000000Z,14.5,m02,DE\n",
        ),
        "chargebacks": (
            "chargebacks/chargebacks_2024.csv",
            "card,number,merchant,reported_at\nc001,1,m01,2024-05-01T00:40:00.000000Z\n",
        ),
        "cards": ("cards.csv", "card,home\nc001,DE\n"),
    },
    "bike_rentals": {
        "rentals": (
            "rentals/rentals_2011.csv",
            "dteday,hr,holiday,workingday,weathersit,temp,atemp,hum,windspeed,casual,registered,cnt\n"
            "2011-01-01,4am,No,No,Clear,3.3,3.0,75,0,0,1,1\n"
            "2011-02-02,5pm,No,Yes,Mist,3.3,3.0,75,6,10,90,100\n",
        )
    },
    "storm_status": {
        "storm_tracks": (
            "storm_tracks.csv",
            "rownames,name,year,month,day,hour,lat,long,status,category,wind,pressure\n"
            "1,Amy,1975,6,27,0,27.5,-79,tropical depression,,25,1013\n"
            "2,Amy,1975,6,27,6,28.5,-79,tropical storm,,45,1003\n",
        )
    },
}


def land(landing: Path, pipeline: str, *tables: str) -> None:
    """Put the files of these tables of a pipeline into the landing folder."""
    for table in tables:
        path, content = FILES[pipeline][table]
        (landing / path).parent.mkdir(parents=True, exist_ok=True)
        (landing / path).write_text(content)
