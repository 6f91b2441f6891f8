"""Tasks with Flask and SQLAlchemy, as people would write them; what `just bench-tasks` measures."""

import os
from datetime import datetime, timezone

from flask import Flask, jsonify, request
from sqlalchemy import Boolean, DateTime, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE"], pool_size=32, max_overflow=32)
Session = scoped_session(sessionmaker(engine))


class Base(DeclarativeBase):
    pass


def now():
    return datetime.now(timezone.utc)


class Task(Base):
    __tablename__ = "flask_task"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String)
    done: Mapped[bool] = mapped_column(Boolean, default=False)
    created: Mapped[datetime] = mapped_column(DateTime, default=now)
    updated: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)

    def body(self):
        return {
            "id": self.id,
            "text": self.text,
            "done": self.done,
            "created": self.created.isoformat(),
            "updated": self.updated.isoformat(),
        }


Base.metadata.create_all(engine)


@app.teardown_appcontext
def remove_session(_error=None):
    Session.remove()


@app.get("/")
def alive():
    return "200"


@app.post("/tasks/")
def add():
    task = Task(text=request.get_json()["text"])
    Session.add(task)
    Session.commit()
    return jsonify(task.body()), 201


@app.get("/tasks/<int:number>")
def show(number):
    task = Session.get(Task, number)
    if task is None:
        return jsonify(error="there is no such task"), 404
    return jsonify(task.body())


@app.get("/tasks/")
def list_tasks():
    after = request.args.get("after", 0, int)
    limit = request.args.get("limit", 100, int)
    tasks = Session.scalars(select(Task).where(Task.id > after).order_by(Task.id).limit(limit))
    return jsonify([task.body() for task in tasks])


@app.put("/tasks/<int:number>")
def replace(number):
    task = Session.get(Task, number)
    task.text = request.get_json()["text"]
    Session.commit()
    return jsonify(task.body())
